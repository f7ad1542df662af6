package integration

import (
	"context"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/user"
)

var _ = Describe("The custom resource definitions", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) { namespace = admin.NewNamespace(ctx) })

	It("fit into the annotation of a client-side apply", func(ctx SpecContext) {
		applied := kubectl.Run(ctx, "apply", "-f", filepath.Join(plane.Root, "config", "crd", "bases"))
		Expect(applied.Err).NotTo(HaveOccurred(), applied.Stderr)
	})

	It("explain our own fields", func(ctx SpecContext) {
		explain := func(field string) string {
			return strings.Join(strings.Fields(kubectl.Run(ctx, "explain", field).Stdout), " ")
		}
		Expect(explain("jobtemplate.spec")).To(And(
			ContainSubstring("samplePayload <string>"), ContainSubstring("A JobTemplate is tried before it is stored")))
		Expect(explain("jobexecution.status.conditions")).To(ContainSubstring("Waiting, Running and Succeeded"))
	})

	It("keep the metadata of the Job and of its pods", func(ctx SpecContext) {
		metadata := metav1.ObjectMeta{Labels: map[string]string{"a": "b"},
			Annotations: map[string]string{"c": "{{ .Name }}"}}
		template := createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) {
			t.Spec.JobTemplate.ObjectMeta = metadata
			job(t).Template.ObjectMeta = metadata
		})
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(template), template)).To(Succeed())
		Expect(template.Spec.JobTemplate.ObjectMeta).To(Equal(metadata))
		Expect(job(template).Template.ObjectMeta).To(Equal(metadata))
	})

	It("refuse a field that they do not know, under kubectl", func(ctx SpecContext) {
		applied := kubectl.RunWithInput(ctx, `{apiVersion: dispatcher.ivan.vc/v1alpha1, kind: JobExecution,
			metadata: {name: unknown, namespace: `+namespace+`}, spec: {jobTemplateName: echo, paylod: x}}`, "apply", "-f", "-")
		Expect(applied.Err).To(HaveOccurred())
		Expect(applied.Stderr).To(ContainSubstring(`unknown field "spec.paylod"`))
	})

	It("show an execution as waiting before any controller has seen it", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		execution := createExecution(ctx, namespace, "fresh", "")
		Expect(state(execution)).To(Equal("Waiting=- Running=- Succeeded=Unknown Waiting"))
		for _, condition := range execution.Status.Conditions {
			Expect(condition.LastTransitionTime.IsZero()).To(BeTrue(), condition.Type)
		}
		described := kubectl.Run(ctx, "-n", namespace, "describe", "jobexecution", "fresh")
		Expect(described.Err).NotTo(HaveOccurred(), described.Stderr)
		Expect(described.Stdout).NotTo(ContainSubstring("1970"))
	})

	DescribeTable("refuse",
		func(ctx SpecContext, object client.Object, field string) {
			object.SetNamespace(namespace)
			err := admin.Create(ctx, object)
			Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
			Expect(causes(err)).To(HaveKeyWithValue(field, Not(BeEmpty())))
		},
		Entry("an execution whose Job could not have its name", newExecution("", strings.Repeat("n", 64), ""),
			"metadata.name"),
		Entry("a template whose name is no label", newTemplate("", func(t *dispatcherv1alpha1.JobTemplate) {
			t.Name = strings.Repeat("n", 64)
		}), "metadata.name"),
		Entry("a payload of more characters than a MiB has", newExecution("", "large", strings.Repeat("x", 1<<20+1)),
			"spec.payload"),
		Entry("a payload of more bytes than a MiB has", newExecution("", "large", strings.Repeat("é", 1<<19+1)),
			"spec.payload"),
		Entry("an execution without the name of a template", unnamedTemplate(""), "spec.jobTemplateName"),
		Entry("an execution with an impossible name of a template", unnamedTemplate("Not_A_Name"),
			"spec.jobTemplateName"),
		Entry("an execution with a path for the name of a template", unnamedTemplate("a/b"), "spec.jobTemplateName"),
		Entry("an execution with a TTL below zero", func() client.Object {
			execution := newExecution("", "negative", "")
			execution.Spec.TTLSecondsAfterFinished = new(int32(-1))
			return execution
		}(), "spec.ttlSecondsAfterFinished"),
		Entry("a template with a TTL below zero", newTemplate("", func(t *dispatcherv1alpha1.JobTemplate) {
			t.Spec.TTLSecondsAfterFinished = new(int32(-1))
		}), "spec.ttlSecondsAfterFinished"),
	)

	DescribeTable("refuse to change an execution's",
		func(ctx SpecContext, payload string, ttl *int32, change func(*dispatcherv1alpha1.JobExecutionSpec)) {
			createTemplate(ctx, namespace)
			execution := newExecution(namespace, "fixed", payload)
			execution.Spec.TTLSecondsAfterFinished = ttl
			Expect(admin.Create(ctx, execution)).To(Succeed())
			Expect(update(ctx, execution, change)).
				To(HaveKeyWithValue("spec", ConsistOf(ContainSubstring("immutable except canceled"))))
		},
		Entry("payload", "before", nil, func(s *dispatcherv1alpha1.JobExecutionSpec) { s.Payload = "after" }),
		Entry("payload, by leaving it out", "before", nil,
			func(s *dispatcherv1alpha1.JobExecutionSpec) { s.Payload = "" }),
		Entry("payload, where there was none", "", nil,
			func(s *dispatcherv1alpha1.JobExecutionSpec) { s.Payload = "after" }),
		Entry("template", "", nil, func(s *dispatcherv1alpha1.JobExecutionSpec) { s.JobTemplateName = "other" }),
		Entry("TTL", "", new(int32(600)),
			func(s *dispatcherv1alpha1.JobExecutionSpec) { s.TTLSecondsAfterFinished = new(int32(601)) }),
		Entry("TTL, by leaving it out", "", new(int32(600)),
			func(s *dispatcherv1alpha1.JobExecutionSpec) { s.TTLSecondsAfterFinished = nil }),
		Entry("TTL, where there was none", "", nil,
			func(s *dispatcherv1alpha1.JobExecutionSpec) { s.TTLSecondsAfterFinished = new(int32(1)) }),
		Entry("payload while canceling it", "before", nil,
			func(s *dispatcherv1alpha1.JobExecutionSpec) { s.Payload, s.Canceled = "after", true }),
	)

	It("let an execution be canceled, and not take that back", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		execution := createExecution(ctx, namespace, "canceled", "before")
		set := func(canceled bool) func(*dispatcherv1alpha1.JobExecutionSpec) {
			return func(s *dispatcherv1alpha1.JobExecutionSpec) { s.Canceled = canceled }
		}
		Expect(update(ctx, execution, set(true))).To(BeEmpty())
		Expect(update(ctx, execution, set(true))).To(BeEmpty())
		Expect(update(ctx, execution, set(false))).
			To(HaveKeyWithValue("spec.canceled", ConsistOf(ContainSubstring("cannot be set back to false"))))
		for _, patch := range []string{`{"spec":{"canceled":false}}`, `{"spec":{"canceled":null}}`} {
			err := admin.Patch(ctx, execution, client.RawPatch(types.MergePatchType, []byte(patch)))
			Expect(causes(err)).To(HaveKey("spec.canceled"), "%s: %v", patch, err)
		}
	})

	It("take an execution that says it is not canceled, and cancel it", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		applied := kubectl.RunWithInput(ctx, `{apiVersion: dispatcher.ivan.vc/v1alpha1, kind: JobExecution,
			metadata: {name: explicit, namespace: `+namespace+`}, spec: {jobTemplateName: echo, canceled: false}}`, "apply", "-f", "-")
		Expect(applied.Err).NotTo(HaveOccurred(), applied.Stderr)
		cancel(ctx, newExecution(namespace, "explicit", ""))
	})
})

var _ = Describe("kubectl", func() {
	It("gets, waits for, and deletes an execution with all that belongs to it", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		Expect(kubectl.Apply(ctx, newTemplate(namespace)).Err).NotTo(HaveOccurred())
		execution := newExecution(namespace, "by-kubectl", "hello")
		Expect(kubectl.Apply(ctx, execution).Err).NotTo(HaveOccurred())

		endPods(ctx, execution, corev1.PodSucceeded)
		Expect(kubectl.Run(ctx, "-n", namespace, "wait", "--for=condition=Succeeded", "je/by-kubectl",
			"--timeout=60s").Err).NotTo(HaveOccurred())

		Expect(rows(kubectl.Run(ctx, "-n", namespace, "get", "je"))).To(HaveExactElements(
			HaveExactElements("NAME", "TEMPLATE", "STATUS", "JOB", "DURATION", "AGE"),
			HaveExactElements("by-kubectl", "echo", "Succeeded", "by-kubectl", MatchRegexp(`^\d+m?s$`), Not(BeEmpty())),
		))
		Expect(rows(kubectl.Run(ctx, "-n", namespace, "get", "jt"))).To(HaveExactElements(
			HaveExactElements("NAME", "IMAGE", "READY", "SUSPEND", "AGE"),
			ContainElements("echo", "alpine:latest"), // The rest is empty, or follows.
		))
		Expect(kubectl.Run(ctx, "-n", namespace, "get", "dispatcher", "-o", "name").Stdout).To(And(
			ContainSubstring("jobtemplate.dispatcher.ivan.vc/echo"),
			ContainSubstring("jobexecution.dispatcher.ivan.vc/by-kubectl")))

		Expect(kubectl.Run(ctx, "-n", namespace, "delete", "je", "by-kubectl").Err).NotTo(HaveOccurred())
		Eventually(func() int {
			return len(admin.Jobs(ctx, namespace)) +
				len(admin.Pods(ctx, execution))
		}).WithContext(ctx).Should(BeZero())
	})

	It("judges without storing, under --dry-run=server", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		for _, object := range []client.Object{newTemplate(namespace,
			func(t *dispatcherv1alpha1.JobTemplate) { t.Name = "tried" }), newExecution(namespace, "tried", "x")} {
			Expect(admin.Create(ctx, object, client.DryRunAll)).To(Succeed())
		}
		err := admin.Create(ctx, newTemplate(namespace, func(t *dispatcherv1alpha1.JobTemplate) {
			container(t).Image = "{{ .Paylod }}"
		}), client.DryRunAll)
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
		letTheControllerCatchUp(ctx)
		Expect(admin.Executions(ctx, namespace)).To(BeEmpty())
		Expect(admin.Jobs(ctx, namespace)).To(BeEmpty())
	})
})

// update changes the spec of an execution as it is now, and returns what the API server has against that.
func update(ctx context.Context, execution *dispatcherv1alpha1.JobExecution,
	change func(*dispatcherv1alpha1.JobExecutionSpec)) map[string][]string {
	GinkgoHelper()
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(execution), execution)).To(Succeed())
		change(&execution.Spec)
		return admin.Update(ctx, execution)
	})
	if err == nil {
		return nil
	}
	Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
	return causes(err)
}

// unnamedTemplate is an execution of a template that the CRD cannot accept, and that the typed client would not leave
// out.
func unnamedTemplate(name string) client.Object {
	execution := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{}}}
	execution.SetGroupVersionKind(dispatcherv1alpha1.GroupVersion.WithKind("JobExecution"))
	execution.SetName("unnamed")
	if name != "" {
		execution.Object["spec"] = map[string]any{"jobTemplateName": name}
	}
	return execution
}

// rows splits a table that kubectl prints.
func rows(table user.Result) [][]string {
	var found [][]string
	for line := range strings.Lines(table.Stdout) {
		found = append(found, strings.Fields(line))
	}
	return found
}
