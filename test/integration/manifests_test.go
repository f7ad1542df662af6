package integration

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var _ = Describe("The manifests", func() {
	BeforeEach(func(ctx SpecContext) {
		// Of the kinds that others define, the real schema does not matter here, only that the API server knows them.
		installKind(ctx, "cert-manager.io", "v1", "Issuer")
		installKind(ctx, "cert-manager.io", "v1", "Certificate")
		installKind(ctx, "monitoring.coreos.com", "v1", "ServiceMonitor")
	})

	DescribeTable("are accepted by the API server, every object and without a warning:",
		func(ctx SpecContext, folder string) {
			objects := kustomization(ctx, folder)
			Expect(objects).NotTo(BeEmpty())
			for _, object := range objects {
				// Objects cannot be tried in a namespace that does not exist.
				if name := object.GetNamespace(); name != "" {
					namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
					Expect(client.IgnoreAlreadyExists(admin.Create(ctx, namespace))).To(Succeed())
				}
			}
			c, warnings := warned()
			for _, object := range objects {
				patch := client.ApplyConfigurationFromUnstructured(object.DeepCopy())
				Expect(c.Apply(ctx, patch, client.DryRunAll, client.ForceOwnership, client.FieldOwner("manifests"))).
					To(Succeed(), "%s %s", object.GetKind(), object.GetName())
			}
			Expect(warnings.take()).To(BeEmpty())
		},
		Entry("default", "default"),
		Entry("without a namespace", "overlays/no-namespace"),
		Entry("with Prometheus", "overlays/prometheus"),
	)

	It("have samples that run as they are", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		applied := kubectl(ctx, "-n", namespace, "apply", "-f", plane.Root+"/config/samples/")
		Expect(applied.err).NotTo(HaveOccurred())
		Expect(applied.stderr).To(BeEmpty(), "no warning")
		payload := "my test payload"
		execution := put(ctx, namespace+"/jobtemplate-sample", payload).execution()
		created := eventuallyJob(ctx, execution)
		Expect(created.Spec.Template.Spec.Containers[0].Env).To(ContainElement(corev1.EnvVar{Name: "PAYLOAD", Value: payload}))
	})
})

// installKind makes a kind known whose objects may hold anything.
func installKind(ctx context.Context, group, version, kind string) {
	GinkgoHelper()
	plural := strings.ToLower(kind) + "s"
	definition := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: plural + "." + group},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: group,
			Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: plural, Singular: strings.ToLower(kind), Kind: kind, ListKind: kind + "List"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: version, Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
					Type: "object", XPreserveUnknownFields: new(true),
				}},
			}},
		},
	}
	err := admin.Create(ctx, definition)
	if !apierrors.IsAlreadyExists(err) {
		Expect(err).NotTo(HaveOccurred())
	}
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(definition), definition)).To(Succeed())
		g.Expect(definition.Status.Conditions).To(ContainElement(And(
			HaveField("Type", apiextensionsv1.Established), HaveField("Status", apiextensionsv1.ConditionTrue))))
	}).WithContext(ctx).Should(Succeed())
}
