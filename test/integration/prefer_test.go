package integration

import (
	"context"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/controlplane"
	"dispatcher.ivan.vc/test/user"
)

var _ = Describe("A caller that prefers to wait", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) { namespace = admin.NewNamespace(ctx) })

	// call executes in the background. Its answer comes when the wait is over; none comes after an error.
	call := func(ctx context.Context, prefer string) <-chan user.Answer {
		answers := make(chan user.Answer, 1)
		go func() {
			defer GinkgoRecover()
			defer close(answers)
			answered, err := send(ctx, manager, http.MethodPut, "/execute/"+namespace+"/echo", "p",
				http.Header{"Prefer": {prefer}})
			if err == nil {
				answers <- answered
			}
		}()
		return answers
	}
	// stored is the execution of the call.
	stored := func(ctx context.Context) *dispatcherv1alpha1.JobExecution {
		GinkgoHelper()
		Eventually(func() []dispatcherv1alpha1.JobExecution {
			return admin.Executions(ctx,
				namespace)
		}).WithContext(ctx).Should(HaveLen(1))
		return &admin.Executions(ctx, namespace)[0]
	}

	It("is answered with the end of the execution, and asks the API server for nothing meanwhile",
		func(ctx SpecContext) {
			createTemplate(ctx, namespace)
			answers := call(ctx, "wait=120")
			execution := stored(ctx)
			eventuallyState(ctx, execution, running)
			endPods(ctx, execution, corev1.PodSucceeded)
			var answered user.Answer
			Eventually(answers).WithContext(ctx).Should(Receive(&answered))
			final := answered.ExecutionOf(http.StatusOK)
			Expect(state(final)).To(Equal(succeeded))
			Expect(final.UID).To(Equal(execution.UID))
			Expect(final.TypeMeta).To(Equal(execution.TypeMeta))
			Expect(final.Spec.Payload).To(Equal("p"))
			Expect(answered.Header.Get("Preference-Applied")).To(Equal("wait=120"))
			Expect(answered.Header.Get("Location")).To(Equal("/executions/" + namespace + "/" + final.Name))
			Expect(manager.Proxy.Requests(func(r controlplane.Request) bool {
				return r.Verb == "get" && r.Resource == "jobexecutions" && r.Namespace == namespace
			})).To(Or(HaveLen(2), HaveLen(3)),
				"one look at the beginning and one at the end, and the controller may take one of its own")
		})

	It("is answered before the end when its time is up", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		var answered user.Answer
		Eventually(call(ctx, "respond-async, wait=1")).WithContext(ctx).Should(Receive(&answered))
		execution := answered.ExecutionOf(http.StatusAccepted)
		Expect(answered.Header.Get("Preference-Applied")).To(Equal("wait=1"))
		Expect(answered.Header.Get("Location")).To(Equal("/executions/" + namespace + "/" + execution.Name))
		eventuallyState(ctx, execution, running)
	})

	It("is answered with the end of an execution that is removed at once", func(ctx SpecContext) {
		createTemplate(ctx, namespace,
			func(t *dispatcherv1alpha1.JobTemplate) { t.Spec.TTLSecondsAfterFinished = new(int32(0)) })
		answers := call(ctx, "wait=120")
		execution := stored(ctx)
		endPods(ctx, execution, corev1.PodFailed)
		var answered user.Answer
		Eventually(answers).WithContext(ctx).Should(Receive(&answered))
		final := answered.ExecutionOf(http.StatusOK)
		Expect(final.Summary().Reason).To(Equal("BackoffLimitExceeded"))
		Expect(final.Spec.Payload).To(Equal("p"))
	})

	It("ends its wait and not the execution when it hangs up", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		waiting, hangUp := context.WithCancel(ctx)
		answers := call(waiting, "wait=120")
		execution := stored(ctx)
		hangUp()
		Eventually(answers).WithContext(ctx).Should(BeClosed())
		eventuallyState(ctx, execution, running)
		endPods(ctx, execution, corev1.PodSucceeded)
		eventuallyState(ctx, execution, succeeded)
	})

	It("is answered when the manager stops", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		restartAfterwards()
		answers := call(ctx, "wait=120")
		execution := stored(ctx)
		eventuallyState(ctx, execution, running)
		process := manager.Terminate()
		var answered user.Answer
		Eventually(answers).WithContext(ctx).Should(Receive(&answered))
		Expect(answered.ExecutionOf(http.StatusAccepted).UID).To(Equal(execution.UID))
		Expect(answered.Header.Get("Preference-Applied")).To(BeEmpty())
		Expect(process.ExitCode()).To(BeZero())
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(execution), execution)).To(Succeed())
	})
})
