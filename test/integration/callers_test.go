package integration

import (
	"context"
	"maps"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"dispatcher.ivan.vc/test/user"
)

// runnerRole lets somebody do over HTTP all that can be done with executions.
const runnerRole = "dispatcher-jobtemplate-runner-role"

// may is a rule on JobTemplates: verbs on a resource like "jobtemplates/executions", on the templates named, or on all.
func may(resource string, verbs []string, templates ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{"dispatcher.ivan.vc"}, Resources: []string{resource}, Verbs: verbs,
		ResourceNames: templates}
}

// operator may do everything over HTTP, in every namespace.
var operator http.Header

// installOperator makes the operator.
func installOperator(ctx context.Context) {
	GinkgoHelper()
	operator = newToken(ctx, managerNamespace, "operator")
	for _, role := range []string{runnerRole, "dispatcher-jobtemplate-viewer-role"} {
		Expect(admin.Create(ctx, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "operator-" + role},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: managerNamespace,
				Name: "operator"}},
		})).To(Succeed())
	}
}

// asOperator adds the operator's token to the header of a call, which may be nil.
func asOperator(header http.Header) http.Header {
	signed := operator.Clone()
	maps.Copy(signed, header)
	return signed
}

// callAs makes a call without a body to the suite's manager, with a header of newCaller or newRunner; nil is nobody's.
func callAs(ctx context.Context, caller http.Header, method, path string) user.Answer {
	GinkgoHelper()
	answered, err := send(ctx, manager, method, path, "", caller)
	Expect(err).NotTo(HaveOccurred())
	return answered
}

// newCaller makes a service account with these rights, and returns the header of its calls.
func newCaller(ctx context.Context, namespace, name string, rules ...rbacv1.PolicyRule) http.Header {
	GinkgoHelper()
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Rules: rules}
	Expect(admin.Create(ctx, role)).To(Succeed())
	bind(ctx, namespace, name, rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name})
	return newToken(ctx, namespace, name)
}

// newRunner makes a service account that may do in its namespace what runnerRole says, and returns the header of its
// calls.
func newRunner(ctx context.Context, namespace string) http.Header {
	GinkgoHelper()
	bind(ctx, namespace, "runner", rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: runnerRole},
		rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: "runner"})
	return newToken(ctx, namespace, "runner")
}

func bind(ctx context.Context, namespace, name string, role rbacv1.RoleRef, subject rbacv1.Subject) {
	GinkgoHelper()
	Expect(admin.Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace,
			Name: name}, RoleRef: role, Subjects: []rbacv1.Subject{subject},
	})).To(Succeed())
}

// newToken makes a service account and returns a header with a token of it.
func newToken(ctx context.Context, namespace, name string) http.Header {
	GinkgoHelper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	Expect(admin.Create(ctx, account)).To(Succeed())
	request := &authenticationv1.TokenRequest{}
	Expect(admin.SubResource("token").Create(ctx, account, request)).To(Succeed())
	return http.Header{"Authorization": {"Bearer " + request.Status.Token}}
}
