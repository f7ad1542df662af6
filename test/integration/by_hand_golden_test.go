package integration

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render" //nolint:depguard // It tells what the actions of a golden case result in.
	"dispatcher.ivan.vc/test/user"
)

func readYAML(path string, into any) {
	GinkgoHelper()
	text, err := os.ReadFile(path)
	Expect(err).NotTo(HaveOccurred())
	Expect(yaml.Unmarshal(text, into)).To(Succeed(), path)
}

// withoutExcess removes what admission refuses in a template, since no Job gets it.
func withoutExcess(template *dispatcherv1alpha1.JobTemplate) {
	metadata := &template.Spec.JobTemplate.ObjectMeta
	metadata.Finalizers, metadata.OwnerReferences = nil, nil
	for _, values := range []map[string]string{metadata.Labels, metadata.Annotations, job(template).Template.Labels} {
		maps.DeleteFunc(values, func(key, _ string) bool {
			return strings.HasPrefix(key, dispatcherv1alpha1.GroupVersion.Group)
		})
	}
}

// goldenExecution returns the execution of a golden case, or one with a payload that the template accepts.
func goldenExecution(
	directory string, template *dispatcherv1alpha1.JobTemplate,
) *dispatcherv1alpha1.JobExecution {
	GinkgoHelper()
	execution := user.NewExecution(template.Namespace, "e", template.Name, "")
	caller := dispatcherv1alpha1.Caller{Username: "admin", Via: dispatcherv1alpha1.CallerViaKubernetes}
	execution.Spec.Caller = new(caller)
	if path := filepath.Join(directory, "execution.yaml"); fileExists(path) {
		readYAML(path, execution)
		execution.UID, execution.Namespace = "", template.Namespace
		execution.Spec.JobTemplateName, execution.Spec.Caller = template.Name, new(caller)
		return execution
	}
	payloads := []string{"text", "", "{}", "[]"}
	if template.Spec.SamplePayload != nil {
		payloads = []string{*template.Spec.SamplePayload}
	}
	for _, execution.Spec.Payload = range payloads {
		if _, errs := render.NewDirect(1).Job(context.Background(), template, execution); len(errs) == 0 {
			return execution
		}
	}
	Fail("no payload does for " + directory)
	return nil
}

func merged(a, b map[string]string) map[string]string {
	all := maps.Clone(b)
	maps.Copy(all, a)
	return all
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// writtenByHand returns the Job that a user would write instead of an execution: what the template says, with the
// actions replaced by their results.
func writtenByHand(
	template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution,
) *unstructured.Unstructured {
	GinkgoHelper()
	rendered, errs := render.NewDirect(1).Job(context.Background(), template, execution)
	Expect(errs).To(BeEmpty())
	said := template.Spec.JobTemplate
	ofAuthor := func(values, said map[string]string) map[string]string {
		written := maps.Clone(values)
		maps.DeleteFunc(written, func(key, _ string) bool {
			_, ok := said[key]
			return !ok
		})
		return written
	}
	byHand := &batchv1.Job{
		TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{
			Name:        rendered.Name,
			Namespace:   rendered.Namespace,
			Labels:      ofAuthor(rendered.Labels, said.Labels),
			Annotations: ofAuthor(rendered.Annotations, said.Annotations),
		},
		Spec: rendered.Spec,
	}
	byHand.Spec.Template.Labels = ofAuthor(rendered.Spec.Template.Labels, said.Spec.Template.Labels)
	byHand.Spec.TTLSecondsAfterFinished = said.Spec.TTLSecondsAfterFinished
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(byHand)
	Expect(err).NotTo(HaveOccurred())
	return &unstructured.Unstructured{Object: object}
}
