package integration

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The executions of a template that puts payloads only into these fields are accepted without a dry run of their Job.
// internal/render lists the fields (free_text.go).
var _ = Describe("The API server", func() {
	It("takes any text in the fields that count as free text", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		texts := []string{
			"", " ", "\n\t\r", "../../etc", "refs/heads/main", "a=b", "$(A)", "$(", "{{", "%s", `"'\`, "-", "--", "\u2028é💥",
			"\x01\x7f", strings.Repeat("x", 40_000),
		}
		for _, text := range texts {
			exec := &corev1.ExecAction{Command: []string{text, text}}
			probe := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: exec}}
			handler := &corev1.LifecycleHandler{Exec: exec}
			container := corev1.Container{
				Name: "c", Image: "alpine", Command: []string{text, text}, Args: []string{text, text},
				Env:           []corev1.EnvVar{{Name: "A", Value: text}, {Name: "B", Value: text}},
				LivenessProbe: probe, ReadinessProbe: probe, StartupProbe: probe,
				Lifecycle: &corev1.Lifecycle{PostStart: handler, PreStop: handler},
			}
			sidecar := *container.DeepCopy()
			sidecar.Name, sidecar.RestartPolicy = "s", new(corev1.ContainerRestartPolicyAlways)
			annotations := map[string]string{"note": text, "example.com/note": text}
			job := &batchv1.Job{
				ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "free", Annotations: annotations},
				Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{
					ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"note": text}},
					Spec: corev1.PodSpec{
						RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{container},
						InitContainers: []corev1.Container{sidecar},
					},
				}},
			}
			Expect(admin.Create(ctx, job, client.DryRunAll)).To(Succeed(), "%.50q", text)
		}
	})
})
