package integration

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/controlplane"
)

// event is a server-sent event about an execution.
type event struct {
	id, kind  string
	execution dispatcherv1alpha1.JobExecution
}

var _ = Describe("A caller that follows an execution", func() {
	It("is told its state at once, every change of it, and its end", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) { job(t).Suspend = new(true) })
		execution := put(ctx, namespace+"/echo", "p").Execution()
		eventuallyState(ctx, execution, waiting(dispatcherv1alpha1.ReasonSuspended))
		events := follow(ctx, location(execution)+"/events", nil)
		var got event
		Eventually(events).WithContext(ctx).Should(Receive(&got))
		Expect(got.kind).To(Equal("execution"))
		Expect(state(&got.execution)).To(Equal(waiting(dispatcherv1alpha1.ReasonSuspended)))

		touch(ctx, execution, "no news")
		created := eventuallyJob(ctx, execution)
		created.Spec.Suspend = new(false)
		Expect(admin.Update(ctx, created)).To(Succeed())
		for state(&got.execution) != running { // That it is not suspended any more may be an event of its own.
			before := got.execution.Status
			Eventually(events).WithContext(ctx).Should(Receive(&got))
			Expect(got.execution.Status).NotTo(Equal(before))
		}
		Expect(got.execution.Spec.Payload).To(Equal("p"))
		Expect(got.id).To(Equal(got.execution.ResourceVersion))

		endPods(ctx, execution, corev1.PodSucceeded)
		Eventually(events).WithContext(ctx).Should(Receive(&got))
		Expect(state(&got.execution)).To(Equal(succeeded))
		Eventually(events).WithContext(ctx).Should(BeClosed())

		By("coming back, as a browser does")
		for _, path := range []string{location(execution) + "/events", location(execution)} {
			answered := call(ctx, http.MethodGet, path,
				http.Header{"Accept": {"text/event-stream"}, "Last-Event-Id": {got.id}})
			Expect(answered.Code).To(Equal(http.StatusNoContent), answered.Body)
		}
	})

	It("may ask for events where the execution is", func(ctx SpecContext) {
		execution := newRunningExecution(ctx)
		events := follow(ctx, location(execution), http.Header{"Accept": {"text/event-stream"}})
		var got event
		Eventually(events).WithContext(ctx).Should(Receive(&got))
		Expect(state(&got.execution)).To(Equal(running))
		cancel(ctx, execution)
		Eventually(events).WithContext(ctx).Should(Receive(&got))
		for !got.execution.IsFinished() { // That it was told to end may be an event of its own.
			Eventually(events).WithContext(ctx).Should(Receive(&got))
		}
		Expect(state(&got.execution)).To(Equal(failed(dispatcherv1alpha1.ReasonCanceled)))
		Eventually(events).WithContext(ctx).Should(BeClosed())
	})

	It("is told when the execution is deleted", func(ctx SpecContext) {
		execution := newRunningExecution(ctx)
		events := follow(ctx, location(execution)+"/events", nil)
		var got event
		Eventually(events).WithContext(ctx).Should(Receive(&got))
		Expect(admin.Delete(ctx, execution)).To(Succeed())
		for got.kind == "execution" { // What the Job's own end makes of it may come first.
			Eventually(events).WithContext(ctx).Should(Receive(&got))
		}
		Expect(got.kind).To(Equal("deleted"))
		Expect(got.execution.UID).To(Equal(execution.UID))
		Eventually(events).WithContext(ctx).Should(BeClosed())
	})

	It("is told its end although the API server was away meanwhile", func(ctx SpecContext) {
		execution := newRunningExecution(ctx)
		events := follow(ctx, location(execution)+"/events", nil)
		var got event
		Eventually(events).WithContext(ctx).Should(Receive(&got))
		restore := manager.Proxy.Inject(gets(execution.Namespace), controlplane.Unreachable())
		DeferCleanup(restore)
		endPods(ctx, execution, corev1.PodSucceeded)
		eventuallyState(ctx, execution, succeeded)
		restore()
		Eventually(events).WithContext(ctx).Should(Receive(&got))
		Expect(state(&got.execution)).To(Equal(succeeded))
	})
})

// follow reads a stream of events until it ends. The channel is closed then.
func follow(ctx context.Context, path string, header http.Header) <-chan event {
	GinkgoHelper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, manager.URL+path, nil)
	Expect(err).NotTo(HaveOccurred())
	request.Header = header
	response, err := caller.Do(request)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(response.Body.Close)
	Expect(response.StatusCode).To(Equal(http.StatusOK))
	Expect(response.Header.Get("Content-Type")).To(Equal("text/event-stream"))
	events := make(chan event)
	go func() {
		defer GinkgoRecover()
		defer close(events)
		var next event
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			switch field, value, _ := strings.Cut(lines.Text(), ": "); field {
			case "id":
				next.id = value
			case "event":
				next.kind = value
			case "data":
				next.execution = dispatcherv1alpha1.JobExecution{}
				Expect(json.Unmarshal([]byte(value), &next.execution)).To(Succeed())
				select {
				case events <- next:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return events
}
