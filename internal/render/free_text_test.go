package render

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// stringFields are the fields of a type that walk finds strings in, as place names them.
func stringFields(t reflect.Type, path []string, within []reflect.Type) []string {
	switch {
	case opaque[t] || slices.Contains(within, t):
		return nil
	case t == intOrStringType || t.Kind() == reflect.String:
		return []string{strings.Join(path, ".")}
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return stringFields(t.Elem(), path, within)
	case reflect.Map:
		if t.Elem().Kind() == reflect.String {
			return stringFields(t.Elem(), path, within)
		}
	case reflect.Struct:
		var found []string
		for f := range t.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			inner := path
			if name != "" {
				inner = append(slices.Clone(path), name)
			}
			if f.IsExported() {
				found = append(found, stringFields(f.Type, inner, append(within, t))...)
			}
		}
		return found
	}
	return nil
}

// TestStringFields: testdata/string-fields.txt has every field of a Job that can be a template, and whether the API
// server accepts every text there. A new version of Kubernetes that adds a field changes it: find out what its
// validation says of the field, see test/integration/free_text_test.go, and then run this with -update.
func TestStringFields(t *testing.T) {
	var got strings.Builder
	for _, path := range stringFields(reflect.TypeFor[batchv1.JobTemplateSpec](), nil, nil) {
		kind := "validated"
		if freeText[path] {
			kind = "free text"
		}
		got.WriteString(kind + " " + path + "\n")
	}
	const file = "testdata/string-fields.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if diff := cmp.Diff(string(want), got.String()); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for path := range freeText {
		if !strings.Contains(got.String(), "free text "+path+"\n") {
			t.Errorf("there is no field %s", path)
		}
	}
}

func TestNeedsTrial(t *testing.T) {
	const payload = "{{ .Payload }}"
	exec := &corev1.ExecAction{Command: []string{payload}}
	probe := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: exec}}
	for _, row := range []struct {
		reason string
		change func(job *batchv1.JobTemplateSpec, pod *corev1.PodSpec, c *corev1.Container)
		want   bool
	}{
		{"nothing", func(*batchv1.JobTemplateSpec, *corev1.PodSpec, *corev1.Container) {}, false},
		{"free text of all kinds", func(job *batchv1.JobTemplateSpec, pod *corev1.PodSpec, c *corev1.Container) {
			c.Command, c.Args = []string{payload}, []string{"-x", payload}
			c.Env = []corev1.EnvVar{{Name: "A", Value: payload}, {Name: "B", ValueFrom: &corev1.EnvVarSource{}}}
			c.LivenessProbe, c.ReadinessProbe, c.StartupProbe = probe, probe, probe
			handler := &corev1.LifecycleHandler{Exec: exec}
			c.Lifecycle = &corev1.Lifecycle{PostStart: handler, PreStop: handler}
			pod.InitContainers = []corev1.Container{*c}
			job.Annotations = map[string]string{"example.com/a": payload, "a": payload}
			job.Spec.Template.Annotations = job.Annotations
		}, false},
		{"a label that no execution changes", func(job *batchv1.JobTemplateSpec, _ *corev1.PodSpec, _ *corev1.Container) {
			job.Labels = map[string]string{"a": "{{ .JobTemplate.Name }}"}
		}, false},
		{"a label", func(job *batchv1.JobTemplateSpec, _ *corev1.PodSpec, _ *corev1.Container) {
			job.Labels = map[string]string{"a": payload}
		}, true},
		{"a name", func(job *batchv1.JobTemplateSpec, _ *corev1.PodSpec, _ *corev1.Container) { job.Name = payload }, true},
		{"an image", func(_ *batchv1.JobTemplateSpec, _ *corev1.PodSpec, c *corev1.Container) { c.Image = payload }, true},
		{"the name of a variable", func(_ *batchv1.JobTemplateSpec, _ *corev1.PodSpec, c *corev1.Container) {
			c.Env = []corev1.EnvVar{{Name: payload}}
		}, true},
		{"a value beside valueFrom", func(_ *batchv1.JobTemplateSpec, _ *corev1.PodSpec, c *corev1.Container) {
			c.Env = []corev1.EnvVar{{Name: "A", Value: payload, ValueFrom: &corev1.EnvVarSource{}}}
		}, true},
		{"an annotation that Kubernetes reads", func(job *batchv1.JobTemplateSpec, _ *corev1.PodSpec, _ *corev1.Container) {
			job.Spec.Template.Annotations = map[string]string{corev1.PodDeletionCost: payload}
		}, true},
		{"a command of a probe that may have no word",
			func(_ *batchv1.JobTemplateSpec, _ *corev1.PodSpec, c *corev1.Container) {
				words := []string{"x", "{{ if .Payload }}y{{ else }}{{ leaveOut }}{{ end }}"}
				c.LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: words}}}
			}, true},
		{"an argument that may be left out", func(_ *batchv1.JobTemplateSpec, _ *corev1.PodSpec, c *corev1.Container) {
			c.Args = []string{"{{ if .Payload }}y{{ else }}{{ leaveOut }}{{ end }}"}
		}, false},
		{"a port", func(_ *batchv1.JobTemplateSpec, _ *corev1.PodSpec, c *corev1.Container) {
			c.LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
				TCPSocket: &corev1.TCPSocketAction{Port: intOrString(payload)}}}
		}, true},
	} {
		job := jobWithArgs()
		row.change(job, &job.Spec.Template.Spec, &job.Spec.Template.Spec.Containers[0])
		got := NewDirect(1).Render(t.Context(), templateOf(job), &dispatcherv1alpha1.JobExecution{})
		if got.NeedsTrial != row.want || len(got.Errors) > 0 {
			t.Errorf("%s: needs a trial: %t, %v", row.reason, got.NeedsTrial, got.Errors)
		}
	}
}
