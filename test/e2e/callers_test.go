package e2e

import (
	"context"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

var _ = Describe("A caller of the HTTP API", func() {
	It("lists, cancels and deletes executions with a right of its own, and without one does not",
		func(ctx SpecContext) {
			namespace := newNamespace(ctx)
			createTemplate(ctx, newTemplate(namespace, "endless", "sleep", "600"))
			execution := put(ctx, namespace, "endless", "").Execution()
			eventuallyReason(ctx, execution, dispatcherv1alpha1.ReasonRunning)
			list, one := "/executions/"+namespace, "/executions/"+namespace+"/"+execution.Name

			nobody, runner := http.Header{}, http.Header{"Authorization": {"Bearer " + runnerToken(ctx, namespace)}}
			call := func(method, path string, caller http.Header) int {
				GinkgoHelper()
				answered, err := send(ctx, method, path, "", caller)
				Expect(err).NotTo(HaveOccurred())
				GinkgoWriter.Println(method, path, answered.Code, answered.Body)
				return answered.Code
			}
			for _, refused := range []struct{ method, path string }{{http.MethodGet, list},
				{http.MethodPost, one + "/cancel"}, {http.MethodDelete, one}} {
				Expect(call(refused.method, refused.path, nobody)).
					To(Equal(http.StatusUnauthorized), "%s %s", refused.method, refused.path)
			}
			Expect(call(http.MethodGet, one, nobody)).To(Equal(http.StatusOK))
			Expect(call(http.MethodGet, list, runner)).To(Equal(http.StatusOK))
			Expect(call(http.MethodGet, "/templates/"+namespace, runner)).To(Equal(http.StatusOK))
			Expect(call(http.MethodPost, one+"/cancel", runner)).To(BeElementOf(http.StatusOK, http.StatusAccepted))
			Expect(eventuallyFinished(ctx, execution).Reason).To(Equal(dispatcherv1alpha1.ReasonCanceled))
			Eventually(func() []corev1.Pod { return admin.Pods(ctx, execution) }).WithContext(ctx).Should(BeEmpty())
			Expect(call(http.MethodDelete, one, runner)).To(BeNumerically("<", 300))
			Expect(admin.Executions(ctx, namespace)).To(BeEmpty())
		})
})

// runnerToken makes a ServiceAccount that may see and run the templates of a namespace, and returns a token of it.
func runnerToken(ctx context.Context, namespace string) string {
	GinkgoHelper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "runner"}}
	Expect(admin.Create(ctx, account)).To(Succeed())
	for _, role := range []string{"dispatcher-jobtemplate-runner-role", "dispatcher-jobtemplate-viewer-role"} {
		Expect(admin.Create(ctx, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: role},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: account.Name}},
		})).To(Succeed())
	}
	return token(ctx, namespace, account.Name)
}
