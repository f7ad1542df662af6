package integration

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// Paths of fields of the template that newTemplate returns.
const (
	podPath       = "spec.jobTemplate.spec.template"
	containerPath = podPath + ".spec.containers[0]"
	valuePath     = containerPath + ".env[0].value"
)

func value(text string) func(*dispatcherv1alpha1.JobTemplate) {
	return func(t *dispatcherv1alpha1.JobTemplate) { container(t).Env[0].Value = text }
}

var _ = Describe("Admission of JobTemplates", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) { namespace = admin.NewNamespace(ctx) })

	DescribeTable("refuses at kubectl apply, naming every wrong field, and stores nothing:",
		func(ctx SpecContext, change func(*dispatcherv1alpha1.JobTemplate), fields ...string) {
			template := newTemplate(namespace, change)
			err := admin.Create(ctx, template.DeepCopy())
			Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
			Expect(slices.Sorted(maps.Keys(causes(err)))).To(Equal(slices.Sorted(slices.Values(fields))), "%v", err)

			applied := kubectl.Apply(ctx, template)
			Expect(applied.Err).To(HaveOccurred())
			for _, field := range fields {
				Expect(applied.Stderr).To(ContainSubstring(field))
			}
			Expect(apierrors.IsNotFound(admin.Get(ctx, client.ObjectKeyFromObject(template), template))).To(BeTrue())
		},
		Entry("a field that does not exist", value("{{ .Paylod }}"), valuePath),
		Entry("an action that is not closed", value("{{ .Payload"), valuePath),
		Entry("a function that does not exist", value("{{ shout .Payload }}"), valuePath),
		Entry("a function that reaches outside", value(`{{ env "HOME" }}`), valuePath),
		Entry("a restartPolicy that a Job cannot have", func(t *dispatcherv1alpha1.JobTemplate) {
			job(t).Template.Spec.RestartPolicy = corev1.RestartPolicyAlways
		}, podPath+".spec.restartPolicy"),
		Entry("a label that is none, on the Job", func(t *dispatcherv1alpha1.JobTemplate) {
			t.Spec.JobTemplate.Labels = map[string]string{"a": "not a label"}
		}, "spec.jobTemplate.metadata.labels[a]"),
		Entry("a label that is none, on the pods", func(t *dispatcherv1alpha1.JobTemplate) {
			job(t).Template.Labels = map[string]string{"a": "{{ .Name }} !"}
		}, podPath+".metadata.labels[a]"),
		Entry("several that do not compile", func(t *dispatcherv1alpha1.JobTemplate) {
			container(t).Image = "{{ .Payload"
			container(t).Env[0].Value = "{{ shout }}"
			container(t).Args = []string{"fine", "{{ end }}"}
		}, containerPath+".image", valuePath, containerPath+".args[1]"),
		Entry("several that do not render", func(t *dispatcherv1alpha1.JobTemplate) {
			container(t).Image = "{{ .Paylod }}"
			container(t).Env[0].Value = "{{ .Nmae }}"
		}, containerPath+".image", valuePath),
		Entry("several that are invalid as a Job", func(t *dispatcherv1alpha1.JobTemplate) {
			job(t).Template.Spec.RestartPolicy = corev1.RestartPolicyAlways
			container(t).ImagePullPolicy = "{{ lower \"SOMETIMES\" }}"
		}, podPath+".spec.restartPolicy", containerPath+".imagePullPolicy"),
		Entry("an item behind one that is left out", func(t *dispatcherv1alpha1.JobTemplate) {
			job(t).Template.Spec.Tolerations = []corev1.Toleration{
				{Key: "{{ leaveOut }}", Operator: corev1.TolerationOpExists}, {Key: "a", Operator: "Sometimes"},
			}
		}, podPath+".spec.tolerations[1].operator"),
		Entry("a samplePayload that it does not accept", func(t *dispatcherv1alpha1.JobTemplate) {
			container(t).Env[0].Value = `{{ (fromJson .Payload).name | required "name is missing" }}`
			t.Spec.SamplePayload = new(`{"nmae":"x"}`)
		}, valuePath),
		Entry("an IntOrString that renders to no port", func(t *dispatcherv1alpha1.JobTemplate) {
			container(t).LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
				HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromString("{{ .Nmae }}")}}}
		}, containerPath+".livenessProbe.httpGet.port"),
	)

	It("names all that a Job has too much that was copied out of the cluster, at one kubectl apply", func(ctx SpecContext) {
		created := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "live"}}
		created.Finalizers = []string{"example.com/keep"}
		created.Spec.Suspend = new(true)
		created.Spec.Template.Spec = corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			Containers:    []corev1.Container{{Name: "main", Image: "alpine"}},
		}
		Expect(admin.Create(ctx, created)).To(Succeed())
		releaseAfterwards(created)
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(created), created)).To(Succeed())
			g.Expect(created.Status.Conditions).NotTo(BeEmpty())
		}).WithContext(ctx).Should(Succeed())
		copied := kubectl.Run(ctx, "get", "job", "live", "-n", namespace, "-o", "json", "--show-managed-fields").Stdout
		copied = strings.Replace(copied, `"image": "alpine"`, `"image": "alpine", "args": ["{{ .Payload }}"]`, 1)
		copied = strings.ReplaceAll(copied, `"namespace": "`+namespace+`"`, `"namespace": "elsewhere"`)
		template := func(job string) string {
			return `{"apiVersion": "dispatcher.ivan.vc/v1alpha1", "kind": "JobTemplate",
				"metadata": {"name": "copied", "namespace": "` + namespace + `"}, "spec": {"jobTemplate": ` + job + `}}`
		}
		applied := kubectl.RunWithInput(ctx, template(copied), "apply", "-f", "-")
		Expect(applied.Err).To(HaveOccurred())
		const at = "* spec.jobTemplate."
		fields := []string{
			"apiVersion", "kind", "status",
			"metadata.namespace", "metadata.uid", "metadata.resourceVersion", "metadata.generation",
			"metadata.creationTimestamp", "metadata.managedFields", "metadata.finalizers",
			"metadata.labels[batch.kubernetes.io/controller-uid]", "metadata.labels[controller-uid]",
			"metadata.labels[batch.kubernetes.io/job-name]", "metadata.labels[job-name]",
			"spec.selector",
			"spec.template.metadata.labels[batch.kubernetes.io/controller-uid]",
			"spec.template.metadata.labels[controller-uid]",
			"spec.template.metadata.labels[batch.kubernetes.io/job-name]", "spec.template.metadata.labels[job-name]",
		}
		for _, field := range fields {
			Expect(applied.Stderr).To(MatchRegexp(regexp.QuoteMeta(at+field) + ": .*leave it out"))
		}
		Expect(strings.Count(applied.Stderr, "\n* ")).To(Equal(len(fields)), "nothing else is said")

		By("leaving out what was named")
		var object map[string]any
		Expect(json.Unmarshal([]byte(copied), &object)).To(Succeed())
		for _, field := range fields {
			path := strings.Split(field, ".")
			if parent, key, found := strings.Cut(field, "["); found {
				path = append(strings.Split(parent, "."), strings.TrimSuffix(key, "]"))
			}
			unstructured.RemoveNestedField(object, path...)
		}
		cleaned, err := json.Marshal(object)
		Expect(err).NotTo(HaveOccurred())
		applied = kubectl.RunWithInput(ctx, template(string(cleaned)), "apply", "-f", "-")
		Expect(applied.Err).NotTo(HaveOccurred())
	})

	It("takes the manifest that kubectl makes for a new Job, as its metadata and spec", func(ctx SpecContext) {
		made := kubectl.Run(ctx, "create", "job", "made", "--image=alpine", "--dry-run=client", "-o", "json").Stdout
		var object map[string]any
		Expect(json.Unmarshal([]byte(made), &object)).To(Succeed())
		delete(object, "apiVersion")
		delete(object, "kind")
		object["status"] = map[string]any{}
		Expect(unstructured.SetNestedField(object, nil, "metadata", "creationTimestamp")).To(Succeed())
		Expect(unstructured.SetNestedField(object, nil, "spec", "template", "metadata", "creationTimestamp")).To(Succeed())
		template := map[string]any{
			"apiVersion": "dispatcher.ivan.vc/v1alpha1", "kind": "JobTemplate",
			"metadata": map[string]any{"name": "made", "namespace": namespace},
			"spec":     map[string]any{"jobTemplate": object},
		}
		Expect(kubectl.Apply(ctx, template).Err).NotTo(HaveOccurred())
	})

	It("names the line of another program's braces in a script, quotes only that, and says what to write", func(ctx SpecContext) {
		script := strings.Repeat("echo something long that need not be repeated\n", 40)
		action := "docker ps --format '{{.Names}} {{.Image}}'"
		template := newTemplate(namespace, func(t *dispatcherv1alpha1.JobTemplate) {
			container(t).Command = []string{"sh", "-c", script + action + "\n" + script}
		})
		applied := kubectl.Apply(ctx, template)
		Expect(applied.Err).To(HaveOccurred())
		Expect(applied.Stderr).To(And(
			ContainSubstring("line 41, column 23"), ContainSubstring(`write {{ "{{" }}`), ContainSubstring(action)))
		Expect(strings.Count(applied.Stderr, action)).To(Equal(1))
		Expect(applied.Stderr).NotTo(ContainSubstring("need not be repeated"))
	})

	It("quotes a part of a long value that the API server refuses", func(ctx SpecContext) {
		applied := kubectl.Apply(ctx, newTemplate(namespace, func(t *dispatcherv1alpha1.JobTemplate) {
			t.Spec.JobTemplate.Labels = map[string]string{"a": strings.Repeat("long ", 10_000)}
		}))
		Expect(applied.Err).To(HaveOccurred())
		Expect(applied.Stderr).To(ContainSubstring("spec.jobTemplate.metadata.labels"))
		Expect(len(applied.Stderr)).To(BeNumerically("<", 2000))
	})

	It("says to set a samplePayload when no synthetic payload does", func(ctx SpecContext) {
		needsName := value(`{{ required "name is missing" (index (fromJson .Payload) "name") }}`)
		err := admin.Create(ctx, newTemplate(namespace, needsName))
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(ContainSubstring("samplePayload")))

		createTemplate(ctx, namespace, needsName, func(t *dispatcherv1alpha1.JobTemplate) {
			t.Spec.SamplePayload = new(`{"name":"x"}`)
		})
	})

	It("needs no samplePayload for a template that wants JSON, but any JSON", func(ctx SpecContext) {
		createTemplate(ctx, namespace, value(`{{ .Payload | mustFromJson | toJson }}`))
	})

	DescribeTable("answers to a hostile template within the time that the API server waits:",
		func(ctx SpecContext, text string) {
			err := judged(func() error { return admin.Create(ctx, newTemplate(namespace, value(text))) }, text)
			Expect(causes(err)).To(HaveKey(valuePath))
		},
		Entry("an endless loop", `{{ range 100000000000 }}{{ end }}`),
		Entry("endless recursion", `{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}`),
		Entry("a value that doubles", `{{ $a := "x" }}{{ range 100 }}{{ $a = print $a $a }}{{ end }}`),
		Entry("a huge repetition", `{{ repeat 1000000000 "x" }}`),
		Entry("output without end", `{{ range 1000000 }}`+strings.Repeat("x", 1000)+`{{ end }}`),
	)

	It("judges a changed spec, and lets finalizers change whatever happens", func(ctx SpecContext) {
		template := createTemplate(ctx, namespace)
		template.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Image = "{{ .Paylod }}"
		err := updateTemplate(ctx, admin, template)
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
		Expect(causes(err)).To(HaveKey(containerPath + ".image"))

		By("changing finalizers while no webhook answers")
		restartAfterwards()
		manager.Kill()
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(template), template)).To(Succeed())
		for _, finalizers := range [][]string{{"example.com/kept"}, nil} {
			template.Finalizers = finalizers
			Expect(updateTemplate(ctx, admin, template)).To(Succeed())
		}
	})
})
