package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/user"
)

const (
	// loadCallers send one PUT after the other, until the load is stopped.
	loadCallers = 4

	// maxAttempts ends a load that nobody stops.
	maxAttempts = 20_000

	// runEvery makes a pod run for one execution in so many. The others' Jobs are suspended: the node is small.
	runEvery = 50
)

// load is a stream of PUTs, each of which has a request id of its own, so that it can be told what it left behind.
type load struct {
	namespace string
	stop      context.CancelFunc
	callers   sync.WaitGroup
	sent      atomic.Int64

	mutex    sync.Mutex
	attempts map[string]attempt
}

// attempt is what became of one PUT: an answer, or an error of the connection.
type attempt struct {
	user.Answer
	err error
}

// startLoad begins to execute a template whose Jobs wait, and now and then one whose Jobs run. The load must be
// stopped.
func startLoad(ctx context.Context, namespace string) *load {
	GinkgoHelper()
	waits := newTemplate(namespace, "waits", "true")
	job(waits).Suspend = new(true)
	createTemplate(ctx, waits)
	createTemplate(ctx, newTemplate(namespace, "runs", "true"))

	l := &load{namespace: namespace, attempts: map[string]attempt{}}
	ctx, l.stop = context.WithCancel(ctx)
	DeferCleanup(l.stop)
	for range loadCallers {
		l.callers.Go(func() {
			for number := l.sent.Add(1); number <= maxAttempts && ctx.Err() == nil; number = l.sent.Add(1) {
				l.attempt(number)
			}
		})
	}
	Eventually(l.accepted).WithContext(ctx).Should(BeNumerically(">", runEvery), "the load has begun")
	return l
}

// attempt makes one PUT. One that is under way when the load is stopped comes to its end.
func (l *load) attempt(number int64) {
	template := "waits"
	if number%runEvery == 0 {
		template = "runs"
	}
	id := fmt.Sprintf("%s-%d", l.namespace, number)
	answered, err := send(context.Background(), http.MethodPut, "/execute/"+l.namespace+"/"+template, id,
		http.Header{"X-Request-Id": {id}})
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.attempts[id] = attempt{answered, err}
}

// accepted is how many executions were promised so far.
func (l *load) accepted() int {
	return l.count(func(a attempt) bool { return a.Code == http.StatusCreated })
}

func (l *load) count(which func(attempt) bool) int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	count := 0
	for _, a := range l.attempts {
		if which(a) {
			count++
		}
	}
	return count
}

// eventuallyMore waits until a hundred more executions were accepted: by then, what happened before has shown its
// effect.
func (l *load) eventuallyMore(ctx context.Context) {
	GinkgoHelper()
	before := l.accepted()
	Eventually(l.accepted).WithContext(ctx).Should(BeNumerically(">", before+100), "the load goes on")
}

// finish stops the load, and checks what it left: each PUT that was accepted is one execution with one Job, and comes
// to its end where its Job runs; a PUT that was refused left nothing; and it was refused so that the caller may try
// again. Of one whose connection was closed before the answer, the caller cannot know; but if there is an execution, it
// is whole.
func (l *load) finish(ctx context.Context) {
	GinkgoHelper()
	l.stop()
	l.callers.Wait()
	accepted, broken := l.accepted(), l.count(func(a attempt) bool { return a.err != nil })
	AddReportEntry("load", fmt.Sprintf("%d PUTs: %d accepted, %d answered with 503, %d connections closed",
		len(l.attempts), accepted, len(l.attempts)-accepted-broken, broken), ReportEntryVisibilityAlways)
	for id, a := range l.attempts {
		if a.err == nil && a.Code != http.StatusCreated {
			Expect(a.Code).To(Equal(http.StatusServiceUnavailable), "%s: %s", id, a.Body)
			Expect(a.Header).To(HaveKey("Retry-After"), "%s: %s", id, a.Body)
		}
	}
	Eventually(l.differences).WithArguments(ctx).WithContext(ctx).Should(BeEmpty())
}

// differences compares what the callers were told with what there is. It returns a few of the differences.
func (l *load) differences(ctx context.Context) []string {
	found := map[string][]dispatcherv1alpha1.JobExecution{}
	for _, execution := range admin.Executions(ctx, l.namespace) {
		id := execution.Annotations[dispatcherv1alpha1.AnnotationRequestID]
		found[id] = append(found[id], execution)
	}
	jobsOf := map[string]int{}
	for _, job := range admin.Jobs(ctx, l.namespace) {
		if owner := metav1.GetControllerOf(&job); owner != nil {
			jobsOf[string(owner.UID)]++
		}
	}
	var differences []string
	for id, a := range l.attempts {
		switch there := found[id]; {
		case len(there) > 1:
			differences = append(differences, id+" was executed more than once")
		case len(there) == 0 && a.Code == http.StatusCreated:
			differences = append(differences, id+" was accepted and is lost")
		case len(there) == 1 && a.err == nil && a.Code != http.StatusCreated:
			differences = append(differences, fmt.Sprintf("%s was answered with %d and left %s", id, a.Code,
				there[0].Name))
		case len(there) == 1 && jobsOf[string(there[0].UID)] != 1:
			differences = append(differences, fmt.Sprintf("%s has %d Jobs", there[0].Name,
				jobsOf[string(there[0].UID)]))
		case len(there) == 1 && there[0].Spec.JobTemplateName == "runs" &&
			there[0].Summary().Reason != dispatcherv1alpha1.ReasonSucceeded:
			differences = append(differences, there[0].Name+" is "+there[0].Summary().Reason)
		}
		delete(found, id)
	}
	for id := range maps.Keys(found) {
		differences = append(differences, "nobody asked for "+id)
	}
	slices.Sort(differences)
	return differences[:min(len(differences), 10)]
}
