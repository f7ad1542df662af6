package integration

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/user"
)

var _ = Describe("An annotation that the HTTP API sets", Label("walls"), func() {
	var namespace string
	var bob client.Client
	var keyed func(context.Context) user.Answer

	BeforeEach(func(ctx SpecContext) {
		namespace = admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		bob = newUser(ctx, namespace, "bob", may("jobexecutions", []string{"create", "update", "patch"}))
		caller := newCaller(ctx, namespace, "victim", may("jobtemplates/executions", []string{"create", "get"}))
		caller.Set("Idempotency-Key", "order-17")
		keyed = func(ctx context.Context) user.Answer {
			GinkgoHelper()
			return mustSend(ctx, http.MethodPut, "/execute/"+namespace+"/echo", "p", caller)
		}
		By("waiting until the HTTP API fills in the defaults itself, which it says in an annotation")
		Eventually(func() map[string]string { return put(ctx, namespace+"/echo", "").Execution().Annotations }).
			Should(HaveKey(dispatcherv1alpha1.AnnotationDefaulted))
	})

	// ours are the keys of ours that an execution from the HTTP API has.
	ours := func(execution *dispatcherv1alpha1.JobExecution) map[string]string {
		found := map[string]string{}
		for key, value := range execution.Annotations {
			if strings.HasPrefix(key, dispatcherv1alpha1.GroupVersion.Group+"/") {
				found[key] = value
			}
		}
		return found
	}
	refused := func(err error, annotations map[string]string) {
		GinkgoHelper()
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
		fields := map[string][]string{}
		for key := range annotations {
			fields["metadata.annotations["+key+"]"] = nil
		}
		Expect(causes(err)).To(HaveLen(len(fields)), "%v", err)
		for field := range fields {
			Expect(causes(err)).To(HaveKey(field))
		}
	}

	It("cannot be copied to take the place of somebody's execution", func(ctx SpecContext) {
		made := keyed(ctx).Execution()
		Expect(ours(made)).To(HaveLen(len(dispatcherv1alpha1.ReservedAnnotations())))
		Expect(admin.Delete(ctx, made)).To(Succeed())
		Eventually(func() bool {
			return apierrors.IsNotFound(admin.Get(ctx, client.ObjectKeyFromObject(made), newExecution("", "", "")))
		}).WithContext(ctx).Should(BeTrue())

		forged := newExecution(namespace, made.Name, "p")
		forged.Labels, forged.Annotations, forged.Spec.Canceled = made.Labels, made.Annotations, true
		err := bob.Create(ctx, forged)
		answered := keyed(ctx)
		Expect(answered.Code).To(Equal(http.StatusCreated), "the call runs, and nothing of bob's: %s", answered.Body)
		refused(err, ours(made))

		By("creating with each of them alone, as the administrator")
		for key, value := range ours(made) {
			forged := newExecution(namespace, "alone", "p")
			forged.Annotations = map[string]string{key: value, "example.com/own": "x"}
			refused(admin.Create(ctx, forged), map[string]string{key: value})
		}
	})

	It("cannot be added, changed or removed later", func(ctx SpecContext) {
		made, plain := keyed(ctx).Execution(), createExecution(ctx, namespace, "plain", "p")
		patch := func(by client.Client, execution *dispatcherv1alpha1.JobExecution, key string, value any) error {
			GinkgoHelper()
			annotations := map[string]any{key: value}
			body, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}})
			Expect(err).NotTo(HaveOccurred())
			return by.Patch(ctx, execution.DeepCopy(), client.RawPatch("application/merge-patch+json", body))
		}
		for key, value := range ours(made) {
			only := map[string]string{key: value}
			for _, by := range []client.Client{bob, admin} {
				refused(patch(by, plain, key, value), only)
				refused(patch(by, made, key, "other"), only)
				refused(patch(by, made, key, nil), only)
			}
		}

		By("letting users change what is theirs")
		for _, execution := range []*dispatcherv1alpha1.JobExecution{made, plain} {
			Expect(patch(bob, execution, "example.com/own", "x")).To(Succeed())
			Expect(patch(bob, execution, "example.com/own", nil)).To(Succeed())
			for _, change := range []string{`{"metadata":{"finalizers":["example.com/x"]}}`,
				`{"metadata":{"finalizers":null,"labels":{"a":"b"}}}`, `{"spec":{"canceled":true}}`} {
				Expect(bob.Patch(ctx, execution, client.RawPatch("application/merge-patch+json", []byte(change)))).
					To(Succeed())
			}
			eventuallyState(ctx, execution, failed(dispatcherv1alpha1.ReasonCanceled))
		}
	})
})
