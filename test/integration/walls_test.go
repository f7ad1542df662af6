package integration

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"dispatcher.ivan.vc/test/user"
)

const (
	// memoryLimit is that of the container in config/manager.
	memoryLimit = 512 << 20

	// hostileCallers send side by side.
	hostileCallers = 2

	// tries is how often something is sent to a Dispatcher that says that it is busy.
	tries = 10
)

// Templates that each need more of something than there is.
const (
	hostileStack  = `{{ $d := dict }}{{ $_ := set $d "l" $d }}{{ $x := dict $d 1 }}`
	hostileTime   = `{{ $v := repeat 15000000 "a" }}{{ range until 1000000 }}{{ $_ := replace "b" "c" $v }}{{ end }}`
	hostileMemory = `{{ $l := list }}{{ range until 1500 }}{{ $l = append $l (printf "%*d" (int64 1000000) 1) }}{{ end }}`
	hostileShares = `{{ $v := list 1 }}{{ range until 60 }}{{ $v = list $v $v }}{{ end }}`
)

// walls describes what must not take the manager down. Around each spec it looks at the manager from outside: it is
// the same process before and after, it stays below the limit of its container, with all the processes that it
// starts, and it still serves.
//
//nolint:unparam // A container of specs is the value of a variable, so that it is declared when the package is loaded.
func walls(text string, specs func(namespace func() string)) bool {
	return Describe(text, Label("walls"), func() {
		var namespace string
		BeforeEach(func(ctx SpecContext) {
			namespace = admin.NewNamespace(ctx)
			admin.DeleteAfterwards(namespace) // Its objects are large.
			createTemplate(ctx, namespace)
			restartAfterwards()
			standsThroughout()
		})
		AfterEach(func(ctx SpecContext) {
			By("executing what is harmless")
			changeTo(ctx, namespace, "echo", "{{ .Payload }}")
			eventuallyJob(ctx, put(ctx, namespace+"/echo", "harmless").Execution())
		})
		specs(func() string { return namespace })
	})
}

// standsThroughout watches the manager until the spec ends.
func standsThroughout() {
	pid := manager.PID()
	var peak atomic.Int64
	ended, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for ticker := time.NewTicker(50 * time.Millisecond); ; {
			peak.Store(max(peak.Load(), manager.Memory()))
			select {
			case <-ended:
				ticker.Stop()
				return
			case <-ticker.C:
			}
		}
	}()
	DeferCleanup(func() {
		close(ended)
		<-watched
		AddReportEntry("memory", fmt.Sprintf("%d MiB at most, with what it started", peak.Load()>>20))
		Expect(manager.Running()).To(BeTrue(), "the manager runs")
		Expect(manager.PID()).To(Equal(pid), "it is the process of before")
		Expect(peak.Load()).To(BeNumerically("<", memoryLimit), "bytes in memory")
	})
}

// judged lets the API server judge an object, and fails unless it accepts it, or refuses it for a field of the
// template's Job, in time. It tries again where Dispatcher says, in time too, that it was too busy to judge: on a
// machine that does much else it is.
func judged(judge func() error, what string) error {
	GinkgoHelper()
	var err error
	for range tries {
		// If the webhook does not answer within its timeoutSeconds, the API server says so in an internal error.
		if err = judge(); !apierrors.IsTimeout(err) {
			break
		}
	}
	if err != nil {
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%s: %v", what, err)
		refusedAtField(err, what)
	}
	return err
}

// executed makes a call to execute a template, and fails unless it is accepted, or refused for a field of the
// template's Job, in time. It tries again as judged does.
func executed(ctx context.Context, target, payload, what string) user.Answer {
	GinkgoHelper()
	var answered user.Answer
	for range tries {
		answered = put(ctx, target, payload)
		busy := []int{http.StatusGatewayTimeout, http.StatusServiceUnavailable, http.StatusTooManyRequests}
		if !slices.Contains(busy, answered.Code) {
			break
		}
	}
	if answered.Code != http.StatusCreated {
		refusedAtFieldOf(answered, what)
	}
	return answered
}

// refusedAtField fails unless the API server has refused an object for fields of the template's Job. A payload may be
// asked for, too: that another one could help is not always known.
func refusedAtField(err error, what string) {
	GinkgoHelper()
	found := causes(err)
	delete(found, "spec.samplePayload")
	Expect(found).NotTo(BeEmpty(), "%s: %v", what, err)
	for field := range found {
		Expect(field).To(HavePrefix("spec.jobTemplate"), "%s: %v", what, err)
	}
}

// refusedAtFieldOf fails unless a call was refused for fields of the template's Job.
func refusedAtFieldOf(answered user.Answer, what string) {
	GinkgoHelper()
	Expect(answered.Code).To(Equal(http.StatusUnprocessableEntity), "%s: %s", what, answered.Body)
	problem := answered.Problem()
	Expect(problem.Reason).To(Equal("Invalid"), what)
	Expect(problem.Fields()).NotTo(BeEmpty(), what)
	for _, field := range problem.Fields() {
		Expect(field).To(HavePrefix("spec.jobTemplate"), what)
	}
}

// sideBySide calls a function for each value, on several goroutines. All are called, though one of them fails.
func sideBySide[T any](values []T, call func(T)) {
	queue := make(chan T, len(values))
	for _, value := range values {
		queue <- value
	}
	close(queue)
	var callers sync.WaitGroup
	for range hostileCallers {
		callers.Go(func() {
			for value := range queue {
				func() {
					defer GinkgoRecover()
					call(value)
				}()
			}
		})
	}
	callers.Wait()
}

// abridged keeps what a failure prints on a screen.
func abridged(text string) string {
	if len(text) > 300 {
		return fmt.Sprintf("%s... (%d bytes)", text[:300], len(text))
	}
	return text
}

// onBoom makes a text of a template that does something only for the payload "boom".
func onBoom(text string) string { return `{{ if eq .Payload "boom" }}` + text + `{{ end }}` }

// boomOf makes a text of a template do something for the payload "boom" only. Definitions stay outside.
func boomOf(text string) string {
	defined, rest, found := strings.Cut(text, "{{ end }}{{ template")
	if found && strings.HasPrefix(defined, "{{ define") {
		return defined + "{{ end }}" + onBoom("{{ template"+rest)
	}
	return onBoom(text)
}
