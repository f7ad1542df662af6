package integration

import (
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/controlplane"
)

var _ = Describe("An execution that is ended over HTTP", func() {
	var (
		namespace string
		execution *dispatcherv1alpha1.JobExecution
		canceled  = failed(dispatcherv1alpha1.ReasonCanceled)
	)

	BeforeEach(func(ctx SpecContext) {
		execution = newRunningExecution(ctx)
		namespace = execution.Namespace
	})
	patches := func(r controlplane.Request) bool {
		return r.Verb == "patch" && r.Resource == "jobexecutions" && r.Subresource == "" && r.Namespace == namespace
	}

	It("is canceled when the call is answered, stays as the record, and can be canceled again", func(ctx SpecContext) {
		for range 2 {
			answered := call(ctx, http.MethodPost, location(execution)+"/cancel", nil)
			ended := answered.ExecutionOf(http.StatusOK)
			Expect(state(ended)).To(Equal(canceled))
			Expect(ended.Spec.Canceled).To(BeTrue())
			Expect(ended.UID).To(Equal(execution.UID))
			Expect(ended.ManagedFields).To(BeEmpty())
		}
		eventuallyWithoutJob(ctx, execution)
		eventuallyState(ctx, execution, canceled)
		Expect(manager.Proxy.Requests(patches)).To(HaveLen(1))
	})

	It("is not canceled when it has finished, and the answer says how", func(ctx SpecContext) {
		endPods(ctx, execution, corev1.PodSucceeded)
		eventuallyState(ctx, execution, succeeded)
		answered := call(ctx, http.MethodPost, location(execution)+"/cancel", nil)
		Expect(answered.Code).To(Equal(http.StatusConflict), answered.Body)
		Expect(answered.Problem().Reason).To(Equal("AlreadyFinished"))
		Expect(answered.Problem().Detail).To(ContainSubstring("Succeeded=True"))
		Expect(manager.Proxy.Requests(patches)).To(BeEmpty())
	})

	It("is not canceled when it finishes meanwhile", func(ctx SpecContext) {
		late := func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			endPods(ctx, execution, corev1.PodFailed)
			eventuallyState(ctx, execution, failed("BackoffLimitExceeded"))
			next.ServeHTTP(w, r)
		}
		DeferCleanup(manager.Proxy.Inject(patches, late))
		answered := call(ctx, http.MethodPost, location(execution)+"/cancel", nil)
		Expect(answered.Code).To(Equal(http.StatusConflict), answered.Body)
		Expect(answered.Problem().Detail).To(ContainSubstring("BackoffLimitExceeded"))
		eventuallyState(ctx, execution, failed("BackoffLimitExceeded"))
	})

	It("is accepted to be canceled when its end does not come soon", func(ctx SpecContext) {
		statuses := func(r controlplane.Request) bool {
			return r.Subresource == "status" && r.Namespace == namespace && !ofTemplateStatus(r)
		}
		gate := make(chan struct{})
		remove := manager.Proxy.Inject(statuses, controlplane.Hold(gate))
		DeferCleanup(remove)
		answered := call(ctx, http.MethodPost, location(execution)+"/cancel", nil)
		Expect(answered.ExecutionOf(http.StatusAccepted).IsFinished()).To(BeFalse())
		Expect(answered.Header.Get("Location")).To(Equal(location(execution)))
		remove()
		close(gate)
		Expect(state(call(ctx, http.MethodGet, location(execution)+"?wait=60", nil).ExecutionOf(http.StatusOK))).
			To(Equal(canceled))
	})

	It("is another's when it has its name by then", func(ctx SpecContext) {
		replaced := func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			Expect(admin.Delete(ctx, execution.DeepCopy())).To(Succeed())
			createExecution(ctx, namespace, execution.Name, "another")
			next.ServeHTTP(w, r)
		}
		for _, test := range []struct {
			verb, method, path string
		}{{"patch", http.MethodPost, "/cancel"}, {"delete", http.MethodDelete, ""}} {
			remove := manager.Proxy.Inject(func(r controlplane.Request) bool {
				return r.Verb == test.verb && r.Resource == "jobexecutions" && r.Subresource == "" &&
					r.Namespace == namespace
			}, controlplane.Once(replaced))
			answered := call(ctx, test.method, location(execution)+test.path, nil)
			remove()
			Expect(answered.Code).To(Equal(http.StatusNotFound), answered.Body)
			Expect(answered.Problem().Reason).To(Equal("ExecutionNotFound"))
			another := &dispatcherv1alpha1.JobExecution{}
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(execution), another)).To(Succeed())
			Expect(another.Spec.Canceled).To(BeFalse())
		}
	})

	It("is deleted with its Job and its pods, once", func(ctx SpecContext) {
		answered := call(ctx, http.MethodDelete, location(execution), nil)
		Expect(answered.ExecutionOf(http.StatusOK).UID).To(Equal(execution.UID))
		Expect(call(ctx, http.MethodGet, location(execution), nil).Code).To(Equal(http.StatusNotFound))
		eventuallyWithoutJob(ctx, execution)
		again := call(ctx, http.MethodDelete, location(execution), nil)
		Expect(again.Code).To(Equal(http.StatusNotFound))
		Expect(again.Problem().Reason).To(Equal("ExecutionNotFound"))
	})

	It("is accepted to be deleted while something else holds it", func(ctx SpecContext) {
		pin(ctx, execution)
		Expect(call(ctx, http.MethodDelete, location(execution),
			nil).ExecutionOf(http.StatusAccepted).DeletionTimestamp).NotTo(BeNil())
	})
})
