package integration

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

var _ = Describe("What a Job made by hand may contain", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) { namespace = admin.NewNamespace(ctx) })

	// podWith returns a Job and a JobTemplate with the same pods. container and pod are fields in the form of YAML.
	podWith := func(container, pod string) (job, template *unstructured.Unstructured) {
		GinkgoHelper()
		parse := func(text string) *unstructured.Unstructured {
			object := &unstructured.Unstructured{}
			Expect(yaml.Unmarshal([]byte(text), &object.Object)).To(Succeed())
			object.SetName("pasted")
			object.SetNamespace(namespace)
			return object
		}
		spec := fmt.Sprintf(`{suspend: true, template: {spec: {restartPolicy: Never, %s
			containers: [{name: main, image: alpine, %s}]}}}`, pod, container)
		return parse(`{apiVersion: batch/v1, kind: Job, metadata: {}, spec: ` + spec + `}`),
			parse(`{apiVersion: dispatcher.ivan.vc/v1alpha1, kind: JobTemplate, metadata: {}, spec: {jobTemplate: {spec: ` + spec + `}}}`)
	}

	DescribeTable("is accepted in a template:", func(ctx SpecContext, container, pod string) {
		job, template := podWith(container, pod)
		Expect(admin.Create(ctx, job, client.DryRunAll)).To(Succeed())
		Expect(admin.Create(ctx, template)).To(Succeed())
	},
		Entry("quantities that are numbers", "resources: {limits: {cpu: 0.5, memory: 1e9}, requests: {cpu: 0.25, memory: 0.5Gi}}", ""),
		Entry("null", "env: null, securityContext: null, resources: null, command: null", "nodeSelector: null, tolerations: null,"),
		Entry("nothing in fields that are published as required",
			`readinessProbe: {httpGet: {port: 80, httpHeaders: [{name: A}]}}, lifecycle: {preStop: {sleep: {}}}`,
			`securityContext: {sysctls: [{name: kernel.shm_rmid_forced}]},
				volumes: [{name: a, iscsi: {targetPortal: 10.0.0.1, iqn: "iqn.2001-04.com.example:a"}}],`),
		Entry("empty lists and maps", "env: [], ports: [], command: [], resources: {}", "volumes: [], securityContext: {},"),
	)

	DescribeTable("is refused as a quantity:", func(ctx SpecContext, quantity string) {
		job, template := podWith("resources: {limits: {cpu: "+quantity+"}}", "")
		Expect(admin.Create(ctx, job, client.DryRunAll)).NotTo(Succeed())
		err := admin.Create(ctx, template)
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(ContainSubstring(
			"spec.jobTemplate.spec.template.spec.containers[0].resources.limits.cpu")))
	},
		Entry("a text", "much"),
		Entry("true", "true"),
		Entry("a list", "[1]"),
		Entry("an empty list", "[]"),
		Entry("a map", "{a: 1}"),
		Entry("an empty map", "{}"),
	)

	DescribeTable("twice in a list is refused in a template, which says what to write instead:",
		func(ctx SpecContext, container, pod, field, advice string) {
			job, template := podWith(container, pod)
			c, warned := warned()
			Expect(c.Create(ctx, job, client.DryRunAll)).To(Succeed())
			Expect(warned.take()).NotTo(BeEmpty(), "the API server warns of it in a Job")

			err := admin.Create(ctx, template)
			Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
			Expect(causes(err)).To(HaveLen(1))
			Expect(causes(err)).To(HaveKeyWithValue("spec.jobTemplate.spec.template.spec."+field,
				ConsistOf(ContainSubstring(advice))))
		},
		Entry("a variable", "env: [{name: A, value: x}, {name: A, value: z}]", "", "containers[0].env[1]", "leave out"),
		Entry("a port", "ports: [{containerPort: 80}, {containerPort: 80, name: http}]", "", "containers[0].ports[1]",
			"leave it out"),
		Entry("a pull secret", "", "imagePullSecrets: [{name: a}, {name: a}],", "imagePullSecrets[1]", "leave it out"),
		Entry("a host alias", "", "hostAliases: [{ip: 10.0.0.1, hostnames: [a]}, {ip: 10.0.0.1, hostnames: [b]}],",
			"hostAliases[1]", "hostnames"),
	)

	It("warns of a variable whose names are equal only when they are rendered", func(ctx SpecContext) {
		_, template := podWith(`env: [{name: A}, {name: '{{ print "A" }}'}]`, "")
		c, warned := warned()
		Expect(c.Create(ctx, template)).To(Succeed())
		Expect(warned.take()).To(ContainElement(ContainSubstring("env[1]")))
	})

	It("can be applied by several managers, each with its own variables", func(ctx SpecContext) {
		for i, owned := range []string{"image: alpine, env: [{name: A, value: a}]", "env: [{name: B, value: b}]",
			"env: [{name: C, value: c}], ports: [{containerPort: 80}]"} {
			manifest := fmt.Sprintf(`{apiVersion: dispatcher.ivan.vc/v1alpha1, kind: JobTemplate,
				metadata: {name: applied, namespace: %s}, spec: {jobTemplate: {spec: {template: {spec: {restartPolicy: Never,
				containers: [{name: main, %s}]}}}}}}`, namespace, owned)
			template := newTemplate(namespace)
			template.Name = "applied"
			Expect(admin.Patch(ctx, template, client.RawPatch(types.ApplyPatchType, []byte(manifest)),
				client.FieldOwner(fmt.Sprintf("manager-%d", i)))).To(Succeed())
		}
		template := &dispatcherv1alpha1.JobTemplate{}
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "applied"}, template)).To(Succeed())
		Expect(container(template).Env).To(ConsistOf(
			HaveField("Name", "A"), HaveField("Name", "B"), HaveField("Name", "C")))
	})

	It("is Indexed without completions, which are one then", func(ctx SpecContext) {
		createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) {
			job(t).CompletionMode, job(t).Suspend = new(batchv1.IndexedCompletion), new(true)
		})
		eventuallyJob(ctx, createExecution(ctx, namespace, "one", ""))
	})
})
