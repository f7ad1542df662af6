package e2e

import (
	"context"
	"io"
	"net/http"
	"os"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var _ = Describe("The metrics", func() {
	It("are for those who may get them", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		for _, name := range []string{"prometheus", "stranger"} {
			Expect(admin.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace,
				Name: name}})).To(Succeed())
		}
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: namespace},
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole",
				Name: "dispatcher-metrics-reader"},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: "prometheus"}},
		}
		Expect(admin.Create(ctx, binding)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, binding)).To(Succeed()) })

		code, body := metrics(ctx, token(ctx, namespace, "prometheus"))
		Expect(code).To(Equal(http.StatusOK), body)
		Expect(body).To(ContainSubstring("controller_runtime_webhook_requests_total"))
		code, _ = metrics(ctx, token(ctx, namespace, "stranger"))
		Expect(code).To(Equal(http.StatusForbidden))
		code, _ = metrics(ctx, "")
		Expect(code).To(Equal(http.StatusUnauthorized))
	})
})

func token(ctx context.Context, namespace, account string) string {
	GinkgoHelper()
	request := &authenticationv1.TokenRequest{}
	owner := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: account}}
	Expect(admin.SubResource("token").Create(ctx, owner, request)).To(Succeed())
	return request.Status.Token
}

func metrics(ctx context.Context, token string) (int, string) {
	GinkgoHelper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet,
		"https://127.0.0.1:"+os.Getenv("METRICS_PORT")+"/metrics", http.NoBody)
	Expect(err).NotTo(HaveOccurred())
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	transport := &http.Transport{TLSClientConfig: metricsTLS(), DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	return response.StatusCode, string(body)
}
