package integration

import (
	"context"
	"errors"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/controlplane"
)

var _ = Describe("The work on an execution", Label("walls"), func() {
	const name = "answered"
	var namespace string
	var execution *dispatcherv1alpha1.JobExecution

	BeforeEach(func(ctx SpecContext) {
		namespace = admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		execution = nil
	})

	start := func(ctx context.Context, ttl *int32) {
		execution = newExecution(namespace, name, "")
		execution.Spec.TTLSecondsAfterFinished = ttl
		Expect(admin.Create(ctx, execution)).To(Succeed())
		eventuallyState(ctx, execution, running)
		letTheControllerCatchUp(ctx)
	}

	end := func(ctx context.Context) { endPods(ctx, execution, corev1.PodSucceeded) }
	stop := func(ctx context.Context) { cancel(ctx, execution) }
	hasSucceeded := func(ctx context.Context) { eventuallyState(ctx, execution, succeeded) }
	isGone := func(ctx context.Context) { eventuallyGone(ctx, execution) }
	hasNoJob := func(ctx context.Context) { eventuallyWithoutJob(ctx, execution) }

	DescribeTable("goes on after a webhook of somebody else has denied",
		func(ctx SpecContext, denied requests, code int, ttl *int32, begin, done func(context.Context)) {
			start(ctx, ttl)
			allow, calls := deny(ctx, namespace, "protected", int32(code), denied)
			begin(ctx)
			Eventually(calls).WithContext(ctx).Should(BeNumerically(">", 1), "it is tried again")
			allow()
			done(ctx)
		},
		Entry("with 409 that its Job is deleted", deletesOfJobs, http.StatusConflict, nil, stop, hasNoJob),
		Entry("with 404 that its Job is deleted", deletesOfJobs, http.StatusNotFound, nil, stop, hasNoJob),
		Entry("with 409 that its status is written", updatesOfStatus, http.StatusConflict, nil, end, hasSucceeded),
		Entry("with 404 that its status is written", updatesOfStatus, http.StatusNotFound, nil, end, hasSucceeded),
		Entry("with 409 that it is deleted", deletesOfRecords, http.StatusConflict, new(int32(0)), end, isGone),
	)

	It("ends without an error in the log when its namespace is being deleted", func(ctx SpecContext) {
		events := func(r controlplane.Request) bool { return r.Namespace == namespace && r.Resource == "events" }
		terminating := apierrors.NewForbidden(
			schema.GroupResource{Group: "events.k8s.io", Resource: "events"}, name,
			errors.New("unable to create new content in namespace "+namespace+" because it is being terminated"),
		)
		terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
		DeferCleanup(manager.Proxy.Inject(events, controlplane.Answer(terminating)))
		before := manager.Output.Len()
		start(ctx, nil)
		end(ctx)
		hasSucceeded(ctx)
		Eventually(func() []controlplane.Request { return manager.Proxy.Requests(events) }).WithContext(ctx).
			ShouldNot(BeEmpty())
		letTheControllerCatchUp(ctx)
		Expect(manager.Output.String()[before:]).NotTo(ContainSubstring("Server rejected event"))
	})

	executions := schema.GroupResource{Group: dispatcherv1alpha1.GroupVersion.Group, Resource: "jobexecutions"}
	jobs := schema.GroupResource{Group: "batch", Resource: "jobs"}
	changed := errors.New("the object has been modified")
	notFound, conflict := controlplane.Page(http.StatusNotFound), controlplane.Page(http.StatusConflict)
	entries := func(call string, about schema.GroupResource) []any {
		return []any{
			Entry(call+", by a proxy with 404", call, notFound),
			Entry(call+", by a proxy with 409", call, conflict),
			Entry(call+", with 404", call, controlplane.Answer(apierrors.NewNotFound(about, name))),
			Entry(call+", with 409", call, controlplane.Answer(apierrors.NewConflict(about, name, changed))),
		}
	}
	lose := func(ctx context.Context) {
		made := eventuallyJob(ctx, execution)
		patch := client.MergeFrom(made.DeepCopy())
		// The API server gives a Job without labels those of its pods.
		made.Labels = map[string]string{"another": "label"}
		Expect(admin.Patch(ctx, made, patch)).To(Succeed())
	}
	type deed struct {
		ttl         *int32
		begin, done func(context.Context)
	}
	deeds := map[string]deed{
		"patch jobexecutions status": {nil, end, hasSucceeded},
		"delete jobexecutions ":      {new(int32(0)), end, isGone},
		"delete jobs ":               {nil, stop, hasNoJob},
		"get jobs ":                  {nil, lose, func(ctx context.Context) { end(ctx); hasSucceeded(ctx) }},
	}
	args := []any{func(ctx SpecContext, call string, answer controlplane.Fault) {
		deed := deeds[call]
		start(ctx, deed.ttl)
		isCall := func(r controlplane.Request) bool {
			return r.Namespace == namespace && r.Verb+" "+r.Resource+" "+r.Subresource == call
		}
		before := len(manager.Proxy.Requests(isCall))
		DeferCleanup(manager.Proxy.Inject(isCall, controlplane.Once(answer)))
		deed.begin(ctx)
		Eventually(func() int { return len(manager.Proxy.Requests(isCall)) }).WithContext(ctx).
			Should(BeNumerically(">", before+1), "it is tried again")
		deed.done(ctx)
	}}
	args = append(args, entries("patch jobexecutions status", executions)...)
	args = append(args, entries("delete jobexecutions ", executions)...)
	args = append(args, entries("delete jobs ", jobs)...)
	args = append(args, entries("get jobs ", jobs)[:2]...)
	DescribeTable("goes on after one answer to", args...)
})
