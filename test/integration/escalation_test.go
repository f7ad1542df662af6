package integration

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var _ = Describe("The right to write a JobTemplate", func() {
	It("is worth no more than the right to create Jobs", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		templates := rbacv1.PolicyRule{APIGroups: []string{"dispatcher.ivan.vc"}, Resources: []string{"jobtemplates"},
			Verbs: []string{"*"}}
		createsJobs := rbacv1.PolicyRule{APIGroups: []string{"batch"}, Resources: []string{"jobs"},
			Verbs: []string{"create"}}
		author := newUser(ctx, namespace, "author", templates)
		developer := newUser(ctx, namespace, "developer", templates, createsJobs)

		By("refusing a new template")
		err := author.Create(ctx, newTemplate(namespace))
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(And(ContainSubstring("author"), ContainSubstring("jobs"))))

		By("accepting it from one who may create Jobs")
		template := newTemplate(namespace)
		Expect(developer.Create(ctx, template)).To(Succeed())

		By("refusing a changed one")
		container(template).Image = "evil:latest"
		Expect(apierrors.IsForbidden(updateTemplate(ctx, author, template))).To(BeTrue())

		By("letting a change pass that does not change the Job")
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(template), template)).To(Succeed())
		template.Labels = map[string]string{"team": "data"}
		Expect(updateTemplate(ctx, author, template)).To(Succeed())
	})

	It("is needed to change labels and annotations that the template uses", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		templates := rbacv1.PolicyRule{APIGroups: []string{"dispatcher.ivan.vc"}, Resources: []string{"jobtemplates"},
			Verbs: []string{"*"}}
		createsJobs := rbacv1.PolicyRule{APIGroups: []string{"batch"}, Resources: []string{"jobs"},
			Verbs: []string{"create"}}
		author := newUser(ctx, namespace, "author", templates)
		developer := newUser(ctx, namespace, "developer", templates, createsJobs)
		template := newTemplate(namespace)
		template.Annotations = map[string]string{"image": "alpine:latest"}
		template.Finalizers = []string{"example.com/author"}
		container(template).Image = "{{ .JobTemplate.Annotations.image }}"
		Expect(developer.Create(ctx, template)).To(Succeed())
		patch := func(c client.Client, patch string) error {
			return c.Patch(ctx, template.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(patch)))
		}

		By("refusing another image, and one that is not there")
		Expect(apierrors.IsForbidden(patch(author, `{"metadata":{"annotations":{"image":"evil:latest"}}}`))).
			To(BeTrue())
		Expect(apierrors.IsForbidden(patch(author, `{"metadata":{"annotations":null}}`))).To(BeTrue())
		Expect(apierrors.IsInvalid(patch(developer, `{"metadata":{"annotations":{"image":null}}}`))).To(BeTrue())

		By("letting pass what the template does not see")
		Expect(patch(author, `{"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{}"}}}`)).
			To(Succeed())
		Expect(patch(author, `{"metadata":{"finalizers":null}}`)).To(Succeed())

		By("accepting a change from one who may create Jobs")
		Expect(patch(developer, `{"metadata":{"annotations":{"image":"alpine:3"}}}`)).To(Succeed())
	})

	It("comes with the roles edit and view of the cluster", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		editor := newUser(ctx, namespace, "editor")
		viewer := newUser(ctx, namespace, "viewer")
		for user, role := range map[string]string{"editor": "edit", "viewer": "view"} {
			Expect(admin.Create(ctx, &rbacv1.RoleBinding{
				ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: user + "s-cluster-role"},
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
				Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
			})).To(Succeed())
		}
		Eventually(func(g Gomega) {
			g.Expect(client.IgnoreAlreadyExists(editor.Create(ctx, newTemplate(namespace)))).To(Succeed())
			g.Expect(client.IgnoreAlreadyExists(editor.Create(ctx, newExecution(namespace, "edited", "")))).
				To(Succeed())
			g.Expect(viewer.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "edited"}, newExecution("", "", ""))).
				To(Succeed())
			g.Expect(apierrors.IsForbidden(viewer.Create(ctx, newExecution(namespace, "viewed", "")))).To(BeTrue())
		}).WithContext(ctx).Should(Succeed())

		By("leaving the status to the manager")
		ready := client.RawPatch(types.MergePatchType, []byte(`{"status":{"observedGeneration":7}}`))
		Expect(apierrors.IsForbidden(editor.Status().Patch(ctx, newTemplate(namespace), ready))).To(BeTrue())
	})
})

// newUser returns the client of a user who has just these rights in a namespace.
func newUser(ctx SpecContext, namespace, name string, rules ...rbacv1.PolicyRule) client.Client {
	GinkgoHelper()
	meta := metav1.ObjectMeta{Namespace: namespace, Name: name}
	Expect(admin.Create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: rules})).To(Succeed())
	Expect(admin.Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
	})).To(Succeed())
	config, err := plane.User(name)
	Expect(err).NotTo(HaveOccurred())
	user, err := client.New(config, client.Options{Scheme: scheme, Mapper: admin.RESTMapper()})
	Expect(err).NotTo(HaveOccurred())
	return user
}
