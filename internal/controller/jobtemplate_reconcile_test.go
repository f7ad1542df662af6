package controller

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/leader"
	"dispatcher.ivan.vc/internal/objectcache"
	"dispatcher.ivan.vc/internal/render"
)

// templateCluster is an API server with a cache that does not lag, and a reconciler of templates.
type templateCluster struct {
	t          *testing.T
	server     client.WithWatch
	reconciler *templateReconciler
	recorder   *events.FakeRecorder
	clock      *clocktesting.FakePassiveClock
	lease      *leader.Lease

	// patches are the statuses that were written, and patchError is what the server answers instead.
	patches    []string
	patchError error
}

var templateKey = types.NamespacedName{Namespace: "default", Name: "hello"}

func newTemplateCluster(t *testing.T, jobs *answers, templates ...client.Object) *templateCluster {
	t.Helper()
	c := &templateCluster{
		t: t, server: store(templates...), recorder: events.NewFakeRecorder(1000),
		clock: clocktesting.NewFakePassiveClock(testTime), lease: leader.Alone(testTime),
	}
	observed := interceptor.NewClient(c.server, interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, server client.Client, name string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			data, err := patch.Data(object)
			if err != nil {
				return err
			}
			c.patches = append(c.patches, fmt.Sprintf("%s %s %s %s", patch.Type(), object.GetName(), name, data))
			if c.patchError != nil {
				return c.patchError
			}
			return server.SubResource(name).Patch(ctx, object, patch, options...)
		},
	})
	c.reconciler = newTemplateReconciler(
		observed, observed, objectcache.New(), render.NewDirect(16), jobs, c.recorder, c.lease)
	c.reconciler.clock = c.clock
	c.reconciler.pace = &pace{clock: atOnce{}}
	return c
}

// atOnce is a clock on which each time that somebody waits for comes at once.
type atOnce struct{ clock.RealClock }

func (atOnce) NewTimer(time.Duration) clock.Timer { return clock.RealClock{}.NewTimer(0) }

// templateWith returns a template of generation 3 with this text in a variable.
func templateWith(value string) *dispatcherv1alpha1.JobTemplate {
	template := &dispatcherv1alpha1.JobTemplate{}
	template.Namespace, template.Name, template.Generation = templateKey.Namespace, templateKey.Name, 3
	template.Status.ObservedGeneration = -1
	template.Spec.JobTemplate.Spec.Template.Spec = corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever,
		Containers: []corev1.Container{
			{Name: "main", Image: "alpine", Env: []corev1.EnvVar{{Name: "VALUE", Value: value}}},
		},
	}
	return template
}

func (c *templateCluster) reconcileTemplate() (ctrl.Result, error) {
	return c.reconciler.Reconcile(c.t.Context(), ctrl.Request{NamespacedName: templateKey})
}

func (c *templateCluster) templateStatus() dispatcherv1alpha1.JobTemplateStatus {
	c.t.Helper()
	template := &dispatcherv1alpha1.JobTemplate{}
	if err := c.server.Get(c.t.Context(), templateKey, template); err != nil {
		c.t.Fatal(err)
	}
	return template.Status
}

// events returns the type and reason of every event since the last call.
func (c *templateCluster) events() []string {
	var all []string
	for len(c.recorder.Events) > 0 {
		parts := strings.SplitN(<-c.recorder.Events, " ", 3)
		all = append(all, parts[0]+" "+parts[1])
	}
	return all
}

// A verdict that is the same is not written: neither again, nor by another process, for however many templates.
func TestNothingIsWrittenWithoutChange(t *testing.T) {
	var templates []client.Object
	for i := range 1000 {
		template := templateWith(map[bool]string{true: "{{ nope }}"}[i%2 == 0])
		template.Name = fmt.Sprintf("template-%d", i)
		templates = append(templates, template)
	}
	all := func(c *templateCluster) {
		for _, template := range templates {
			if _, err := c.reconciler.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(template)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	first := newTemplateCluster(t, &answers{}, templates...)
	all(first)
	if len(first.patches) != len(templates) {
		t.Fatalf("%d writes, want one for each template", len(first.patches))
	}
	var stored dispatcherv1alpha1.JobTemplateList
	if err := first.server.List(t.Context(), &stored); err != nil {
		t.Fatal(err)
	}
	var again []client.Object
	for i := range stored.Items {
		again = append(again, &stored.Items[i])
	}
	second := newTemplateCluster(t, &answers{}, again...)
	second.clock.SetTime(testTime.Add(time.Hour))
	all(second)
	if len(second.patches) != 0 || len(second.events()) > 0 {
		t.Errorf("%d writes after a restart, want none; the first is %s", len(second.patches), second.patches[0])
	}
}

// A write is one merge patch of the status that only fits the template that was tried.
func TestTemplateStatusPatch(t *testing.T) {
	c := newTemplateCluster(t, &answers{}, templateWith(""))
	if _, err := c.reconcileTemplate(); err != nil {
		t.Fatal(err)
	}
	const want = `application/merge-patch+json hello status {"metadata":{"resourceVersion":"999"},"status":{"conditions":[`
	if len(c.patches) != 1 || !strings.HasPrefix(c.patches[0], want) || strings.Contains(c.patches[0], "spec") {
		t.Errorf("patches %q", c.patches)
	}
}

func TestTemplateRetries(t *testing.T) {
	resource := schema.GroupResource{Group: "dispatcher.ivan.vc", Resource: "jobtemplates"}
	for _, test := range []struct {
		reason     string
		answers    answers
		patchError error
		changed    bool // The policies of the namespace have changed a moment ago.
		want       time.Duration
		fails      bool
	}{
		{"ready", answers{}, nil, false, trialPeriod, false},
		{"refused by a policy", answers{result: refusedJob(http.StatusForbidden, "no")}, nil, false, trialPeriod, false},
		{"a quota without room", answers{result: refusedJob(http.StatusForbidden, quotaIsFull)}, nil, false, quotaPeriod, false},
		{"policies that the API server may not know yet", answers{}, nil, true, policyRecheck, false},
		{"the template has changed meanwhile", answers{}, apierrors.NewConflict(resource, "hello", errors.New("changed")), false,
			outdatedInterval, false},
		{"the template is gone", answers{}, apierrors.NewNotFound(resource, "hello"), false, outdatedInterval, false},
		{"the write has no answer", answers{}, errors.New("connection reset"), false, 0, true},
		{"the write is refused", answers{}, apierrors.NewForbidden(resource, "hello", errors.New("no")), false, 0, true},
		{"the trial has no answer", answers{err: errors.New("timeout")}, nil, false, 0, true},
	} {
		c := newTemplateCluster(t, &test.answers, templateWith(""))
		c.patchError = test.patchError
		if test.changed {
			c.reconciler.policiesChanged.Add("default", c.clock.Now().Add(-time.Second))
		}
		result, err := c.reconcileTemplate()
		if (err != nil) != test.fails {
			t.Errorf("%s: error %v", test.reason, err)
		}
		low, high := test.want*9/10, test.want*11/10
		if result.RequeueAfter < low || result.RequeueAfter > high {
			t.Errorf("%s: tried again after %v, want %v to %v", test.reason, result.RequeueAfter, low, high)
		}
		if (err != nil || test.patchError != nil) && len(c.events()) > 0 {
			t.Errorf("%s: an event without a write", test.reason)
		}
	}
	if policyRecheck*9/10 < policyLag {
		t.Error("a check of a verdict may itself have to be checked")
	}
}

// A process that does not lead, or no more, tries nothing and writes nothing.
func TestTemplatesOfOtherLeaders(t *testing.T) {
	jobs := &answers{}
	c := newTemplateCluster(t, jobs, templateWith(""))
	c.reconciler.lease = leader.NewLease(c.clock)
	if result, err := c.reconcileTemplate(); err != nil || result != (ctrl.Result{}) || jobs.jobs > 0 {
		t.Errorf("does not lead: %v, %v, %d trials", result, err, jobs.jobs)
	}
	if !c.reconciler.pace.next.IsZero() {
		t.Error("does not lead, but waits for its turn")
	}
	c.reconciler.lease.Renewed(testTime)
	term := c.reconciler.lease.Begin()
	defer term.End()
	c.reconciler.lease.Lost()
	if _, err := c.reconciler.reconcile(t.Context(), term, templateKey); !errors.Is(err, leader.ErrLost) || len(c.patches) > 0 {
		t.Errorf("leads no more: error %v, patches %q", err, c.patches)
	}
}

// busyRenderer stops each render because the machine is too slow.
type busyRenderer struct{ render.Renderer }

func (busyRenderer) Examine(context.Context, *dispatcherv1alpha1.JobTemplate) render.Examination {
	return render.Examination{Errors: field.ErrorList{field.InternalError(nil, errors.New("stopped"))}}
}

// A render that was stopped is no verdict.
func TestStoppedRendersAreTriedAgain(t *testing.T) {
	c := newTemplateCluster(t, &answers{}, templateWith(""))
	c.reconciler.renderer = busyRenderer{}
	if _, err := c.reconcileTemplate(); err == nil || len(c.patches) > 0 {
		t.Errorf("error %v, patches %q", err, c.patches)
	}
}

// However many templates wait, two of them are tried in a second.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const waiters, each = maxConcurrentTrials, 50
		p := &pace{clock: clock.RealClock{}}
		begun := time.Now()
		done := make(chan struct{})
		for range waiters {
			go func() {
				for range each {
					_ = p.wait(t.Context())
				}
				done <- struct{}{}
			}()
		}
		for range waiters {
			<-done
		}
		if took := time.Since(begun); took != (waiters*each-1)*trialInterval {
			t.Errorf("%d trials in %v", waiters*each, took)
		}
		time.Sleep(time.Hour)
		begun = time.Now()
		for range 3 {
			_ = p.wait(t.Context())
		}
		if took := time.Since(begun); took != 2*trialInterval {
			t.Errorf("3 trials in %v: a pause was saved up", took)
		}
		stopped, cancel := context.WithCancel(t.Context())
		cancel()
		if p.wait(stopped) == nil {
			t.Error("waits although the process ends")
		}
	})
}

// Only what matters to the Jobs of a namespace has its templates tried again.
func TestPoliciesEnqueueTemplates(t *testing.T) {
	other := templateWith("")
	other.Namespace = "other"
	c := newTemplateCluster(t, &answers{}, templateWith(""), other)
	marked := func(object client.Object, fingerprint string) client.Object {
		object.SetNamespace("default")
		object.SetAnnotations(map[string]string{"dispatcher.ivan.vc/fingerprint": fingerprint})
		return object
	}
	quota := func(fingerprint string) client.Object { return marked(&corev1.ResourceQuota{}, fingerprint) }
	byNamespace := c.reconciler.policyHandler(client.Object.GetNamespace)
	for _, test := range []struct {
		reason string
		happen func(queue queue)
		want   int
	}{
		{"a new quota", func(q queue) { byNamespace.Create(t.Context(), event.CreateEvent{Object: quota("a")}, q) }, 1},
		{"a quota that exists at the start", func(q queue) {
			byNamespace.Create(t.Context(), event.CreateEvent{Object: quota("a"), IsInInitialList: true}, q)
		}, 0},
		{"a quota that is used", func(q queue) {
			byNamespace.Update(t.Context(), event.UpdateEvent{ObjectOld: quota("a"), ObjectNew: quota("a")}, q)
		}, 0},
		{"a quota that is changed", func(q queue) {
			byNamespace.Update(t.Context(), event.UpdateEvent{ObjectOld: quota("a"), ObjectNew: quota("b")}, q)
		}, 1},
		{"a quota that is gone", func(q queue) { byNamespace.Delete(t.Context(), event.DeleteEvent{Object: quota("a")}, q) }, 1},
		{"a namespace with other labels", func(q queue) {
			namespace := func(fingerprint string) client.Object {
				object := marked(&corev1.Namespace{}, fingerprint)
				object.SetNamespace("")
				object.SetName("default")
				return object
			}
			c.reconciler.policyHandler(namespaceItself).Update(
				t.Context(), event.UpdateEvent{ObjectOld: namespace("a"), ObjectNew: namespace("b")}, q)
		}, 1},
		{"a term of another leader", func(q queue) { c.reconciler.enqueueTemplates(t.Context(), q, "", 0) }, 2},
	} {
		counted := &countingQueue{}
		test.happen(counted)
		if len(counted.added) != test.want {
			t.Errorf("%s: %v are tried again, want %d", test.reason, counted.added, test.want)
		}
	}
	if !c.reconciler.mayLag("default", c.clock.Now()) || c.reconciler.mayLag("other", c.clock.Now()) {
		t.Error("the change of the policies is not remembered")
	}
}

// countingQueue notes what is added to it.
type countingQueue struct {
	workqueue.TypedRateLimitingInterface[reconcile.Request]

	added []reconcile.Request
}

func (q *countingQueue) AddAfter(request reconcile.Request, _ time.Duration) {
	q.added = append(q.added, request)
}

func TestNewOrChangedTemplate(t *testing.T) {
	for _, test := range []struct {
		reason string
		change func(*dispatcherv1alpha1.JobTemplate)
		want   bool
	}{
		{"the status", func(t *dispatcherv1alpha1.JobTemplate) { t.Status.ObservedGeneration, t.ResourceVersion = 3, "2" }, false},
		{"the spec", func(t *dispatcherv1alpha1.JobTemplate) { t.Generation++ }, true},
		{"labels or annotations", func(t *dispatcherv1alpha1.JobTemplate) {
			t.Annotations = map[string]string{"dispatcher.ivan.vc/fingerprint": "b"}
		}, true},
		{"another template of the name", func(t *dispatcherv1alpha1.JobTemplate) { t.UID = "2" }, true},
	} {
		after := templateWith("")
		test.change(after)
		if got := newOrChangedTemplate.Update(event.UpdateEvent{ObjectOld: templateWith(""), ObjectNew: after}); got != test.want {
			t.Errorf("%s: %v", test.reason, got)
		}
	}
	if newOrChangedTemplate.Delete(event.DeleteEvent{}) || !newOrChangedTemplate.Create(event.CreateEvent{}) {
		t.Error("a new template is not tried, or one that is gone is")
	}
}

func TestReadyLabel(t *testing.T) {
	condition := func(status metav1.ConditionStatus) []metav1.Condition {
		return []metav1.Condition{{Type: dispatcherv1alpha1.ConditionReady, Status: status}}
	}
	for want, status := range map[string][]dispatcherv1alpha1.JobTemplateStatus{
		"true":  {{ObservedGeneration: 3, Conditions: condition(metav1.ConditionTrue)}},
		"false": {{ObservedGeneration: 3, Conditions: condition(metav1.ConditionFalse)}},
		"unknown": {{ObservedGeneration: -1}, {ObservedGeneration: 2, Conditions: condition(metav1.ConditionTrue)},
			{ObservedGeneration: 2, Conditions: condition(metav1.ConditionFalse)}},
	} {
		for _, status := range status {
			template := templateWith("")
			template.Status = status
			if diff := cmp.Diff(want, readyLabel(template)); diff != "" {
				t.Errorf("%v: %s", status, diff)
			}
		}
	}
}
