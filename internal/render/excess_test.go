package render

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// Every field of metadata reaches the Job, is refused or is warned of.
func TestMetadataReachesJobOrIsToldOf(t *testing.T) {
	const namespace = "jobs"
	values := map[string]any{
		"Name":                       "x-{{ .Name }}",
		"GenerateName":               "x-",
		"Namespace":                  "another",
		"SelfLink":                   "/x",
		"UID":                        "x",
		"ResourceVersion":            "1",
		"Generation":                 1,
		"CreationTimestamp":          metav1.NewTime(time.Unix(1, 0)),
		"DeletionTimestamp":          new(metav1.NewTime(time.Unix(1, 0))),
		"DeletionGracePeriodSeconds": new(int64(1)),
		"Labels":                     map[string]string{"x": "y"},
		"Annotations":                map[string]string{"x": "y"},
		"OwnerReferences":            []metav1.OwnerReference{{Name: "x"}},
		"Finalizers":                 []string{"example.com/x"},
		"ManagedFields":              []metav1.ManagedFieldsEntry{{Manager: "x"}},
	}
	for _, changed := range reflect.VisibleFields(reflect.TypeFor[metav1.ObjectMeta]()) {
		t.Run(changed.Name, func(t *testing.T) {
			value := reflect.ValueOf(values[changed.Name])
			if !value.IsValid() {
				t.Fatal("metadata has a new field: say here what a user could write")
			}
			template := templateOf(jobWithArgs("x"))
			template.Namespace = namespace
			without := metadataOfJob(t, template)
			set := reflect.ValueOf(&template.Spec.JobTemplate.ObjectMeta).Elem().FieldByIndex(changed.Index)
			set.Set(value.Convert(changed.Type))

			key, _, _ := strings.Cut(changed.Tag.Get("json"), ",")
			path := "spec.jobTemplate.metadata." + key
			examined := NewDirect(1).Examine(t.Context(), template)
			told := 0
			for _, warning := range examined.Warnings {
				if strings.HasPrefix(warning, path+": ") && strings.Contains(warning, "leave it out") {
					told++
				}
			}
			for _, err := range examined.Errors {
				if err.Field == path && strings.Contains(err.Detail, "leave it out") {
					told++
				}
			}
			if all := len(examined.Warnings) + len(examined.Errors); told > 1 || all != told {
				t.Errorf("warnings %q, errors %v", examined.Warnings, examined.Errors)
			}
			reached := len(examined.Errors) == 0 && !reflect.DeepEqual(without, metadataOfJob(t, template))
			if reached == (told == 1) {
				t.Errorf("reaches the Job: %t, told of %d times", reached, told)
			}
		})
	}
}

func metadataOfJob(t *testing.T, template *dispatcherv1alpha1.JobTemplate) metav1.ObjectMeta {
	t.Helper()
	execution := &dispatcherv1alpha1.JobExecution{}
	execution.Namespace, execution.Name = template.Namespace, "run"
	job, errs := NewDirect(1).Job(t.Context(), template, execution)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return job.ObjectMeta
}

// copiedJob is a Job as a cluster shows it.
const copiedJob = `
metadata:
  name: report
  namespace: other
  uid: 7d2f2f5c-3c0b-4a53-8f6c-8f5a3f6f2a10
  resourceVersion: "4711"
  generation: 1
  creationTimestamp: "2026-01-02T03:04:05Z"
  finalizers: [orphan]
  ownerReferences: [{apiVersion: batch/v1, kind: CronJob, name: report, uid: "1", controller: true}]
  managedFields: [{manager: kubectl, operation: Update, apiVersion: batch/v1}]
  labels:
    app: report
    batch.kubernetes.io/controller-uid: 7d2f2f5c-3c0b-4a53-8f6c-8f5a3f6f2a10
    batch.kubernetes.io/job-name: report
    controller-uid: 7d2f2f5c-3c0b-4a53-8f6c-8f5a3f6f2a10
    job-name: report
spec:
  selector: {matchLabels: {batch.kubernetes.io/controller-uid: 7d2f2f5c-3c0b-4a53-8f6c-8f5a3f6f2a10}}
  manualSelector: false
  template:
    metadata:
      creationTimestamp: null
      labels:
        app: report
        batch.kubernetes.io/controller-uid: 7d2f2f5c-3c0b-4a53-8f6c-8f5a3f6f2a10
        batch.kubernetes.io/job-name: report
        controller-uid: 7d2f2f5c-3c0b-4a53-8f6c-8f5a3f6f2a10
        job-name: report
    spec:
      restartPolicy: Never
      containers: [{name: main, image: alpine, args: ["{{ .Payload }}"]}]
`

func TestExcessFields(t *testing.T) {
	const (
		metadata  = "spec.jobTemplate.metadata."
		labels    = "spec.jobTemplate.metadata.labels"
		podLabels = "spec.jobTemplate.spec.template.metadata.labels"
		selector  = "spec.jobTemplate.spec.selector"
	)
	for _, test := range []struct {
		reason, job string
		want        []string
	}{
		{"a Job of a cluster", copiedJob, []string{
			metadata + "namespace", metadata + "creationTimestamp", metadata + "finalizers", metadata + "generation",
			metadata + "managedFields", metadata + "ownerReferences", metadata + "resourceVersion", metadata + "uid",
			selector,
			labels + "[batch.kubernetes.io/controller-uid]", labels + "[controller-uid]",
			podLabels + "[batch.kubernetes.io/controller-uid]", podLabels + "[controller-uid]",
			labels + "[batch.kubernetes.io/job-name]", labels + "[job-name]",
			podLabels + "[batch.kubernetes.io/job-name]", podLabels + "[job-name]",
		}},
		{"a Job of a JobExecution", `{metadata: {
			labels: {dispatcher.ivan.vc/job-template: a, dispatcher.ivan.vc/job-execution: b},
			annotations: {dispatcher.ivan.vc/job-template-uid: "1", dispatcher.ivan.vc/job-template-generation: "1"}},
			spec: {template: {metadata: {labels: {dispatcher.ivan.vc/job-template: "{{ .Payload }}"}}}}}`, []string{
			labels + "[dispatcher.ivan.vc/job-execution]", labels + "[dispatcher.ivan.vc/job-template]",
			metadata + "annotations[dispatcher.ivan.vc/job-template-generation]",
			metadata + "annotations[dispatcher.ivan.vc/job-template-uid]",
			podLabels + "[dispatcher.ivan.vc/job-template]",
		}},
		{"what kubectl wrote", `{metadata: {annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}"}}}`, []string{
			metadata + "annotations[kubectl.kubernetes.io/last-applied-configuration]"}},
		{"nothing of a cluster", `{metadata: {labels: {a: b}}, spec: {template: {metadata: {labels: {a: b}}}}}`, nil},
		{"its own namespace", `{metadata: {namespace: jobs}}`, nil},
		{"its own namespace by a template", `{metadata: {namespace: "{{ .Namespace }}"}}`, nil},
		{"a selector", `{spec: {selector: {matchLabels: {a: b}}}}`, []string{selector}},
		{"a selector with expressions", `{spec: {selector: {matchExpressions: [{key: a, operator: Exists}]}}}`, []string{selector}},
		{"an empty selector", `{spec: {selector: {}}}`, nil},
		{"a selector of the author's", `{spec: {manualSelector: true, selector: {matchLabels: {job-name: "{{ .Name }}"}}, template: {metadata: {labels: {job-name: "{{ .Name }}", controller-uid: x}}}}}`, nil},
		{"labels by templates", `{spec: {template: {metadata: {labels: {job-name: "{{ .Name }}"}}}}}`, nil},
		{"a label with the Job's name", `{metadata: {name: a, labels: {job-name: a}}, spec: {template: {metadata: {labels: {job-name: a}}}}}`, nil},
		{"a label with another name", `{metadata: {name: a}, spec: {template: {metadata: {labels: {job-name: b}}}}}`, []string{podLabels + "[job-name]"}},
		{"a label of the Job that is the author's own", `{metadata: {labels: {job-name: b}}}`, nil},
	} {
		template := &dispatcherv1alpha1.JobTemplate{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "jobs"}}
		if err := yaml.UnmarshalStrict([]byte(test.job), &template.Spec.JobTemplate); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, err := range excessFields(template) {
			got = append(got, err.Field)
			if !strings.Contains(err.Detail, "leave it out") {
				t.Errorf("%s: %v does not say what to do", test.reason, err)
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.reason, diff)
		}
	}
}

// What a Job of a cluster has too much is told together with errors of its templates, and with nothing else.
func TestExamineOfCopiedJob(t *testing.T) {
	template := &dispatcherv1alpha1.JobTemplate{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "jobs"}}
	if err := yaml.UnmarshalStrict([]byte(copiedJob), &template.Spec.JobTemplate); err != nil {
		t.Fatal(err)
	}
	excess := excessFields(template)
	examined := NewDirect(1).Examine(t.Context(), template)
	if diff := cmp.Diff(excess, examined.Errors); diff != "" || len(examined.Jobs) > 0 || examined.UsesMetadata {
		t.Errorf("%d Jobs, uses metadata: %t (-want +got):\n%s", len(examined.Jobs), examined.UsesMetadata, diff)
	}
	template.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Args[0] = "{{ .Paylod }}"
	examined = NewDirect(1).Examine(t.Context(), template)
	if len(examined.Errors) != len(excess)+1 {
		t.Errorf("errors %v, want one more than %d", examined.Errors, len(excess))
	}
}

// samplePayload is only asked for where another payload could make an error go away.
func TestSamplePayloadIsAskedFor(t *testing.T) {
	for _, test := range []struct {
		reason string
		change func(template *dispatcherv1alpha1.JobTemplate)
		fields []string
	}{
		{"the payload must be something", func(template *dispatcherv1alpha1.JobTemplate) {
			template.Spec.JobTemplate.Annotations = map[string]string{"a": "{{ (fromJson .Payload).a }}"}
		}, []string{"spec.samplePayload", "spec.jobTemplate.metadata.annotations[a]"}},
		{"a namespace by a template, which the payload is not in", func(template *dispatcherv1alpha1.JobTemplate) {
			template.Spec.JobTemplate.Namespace = `{{ "other" }}`
		}, []string{"spec.jobTemplate.metadata.namespace"}},
		{"a namespace by the payload", func(template *dispatcherv1alpha1.JobTemplate) {
			template.Spec.JobTemplate.Namespace = `{{ .Payload | printf "%s!" }}`
		}, []string{"spec.samplePayload", "spec.jobTemplate.metadata.namespace"}},
		{"an error without the payload", func(template *dispatcherv1alpha1.JobTemplate) {
			template.Spec.JobTemplate.Annotations = map[string]string{"a": "{{ .JobTemplate.Labels.missing }}"}
		}, []string{"spec.jobTemplate.metadata.annotations[a]"}},
		{"a limit without the payload", func(template *dispatcherv1alpha1.JobTemplate) {
			template.Spec.JobTemplate.Annotations = map[string]string{"a": "{{ until 2000000000 }}"}
		}, []string{"spec.jobTemplate.metadata.annotations[a]"}},
		{"an error of each kind", func(template *dispatcherv1alpha1.JobTemplate) {
			template.Spec.JobTemplate.Annotations = map[string]string{
				"a": "{{ .JobTemplate.Labels.missing }}", "b": "{{ (fromJson .Payload).b }}"}
		}, []string{
			"spec.samplePayload", "spec.jobTemplate.metadata.annotations[a]", "spec.jobTemplate.metadata.annotations[b]"}},
		{"a sample that is wrong", func(template *dispatcherv1alpha1.JobTemplate) {
			template.Spec.SamplePayload = new("x")
			template.Spec.JobTemplate.Annotations = map[string]string{"b": "{{ (fromJson .Payload).b }}"}
		}, []string{"spec.jobTemplate.metadata.annotations[b]"}},
		{"a word with a NUL, without the payload", func(template *dispatcherv1alpha1.JobTemplate) {
			template.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Args = []string{"a\x00", "{{ .Payload }}"}
		}, []string{"spec.jobTemplate.spec.template.spec.containers[0].args[0]"}},
	} {
		template := templateOf(jobWithArgs("{{ .Payload }}")) // The payload is always used somewhere.
		template.Namespace = "jobs"
		test.change(template)
		var got []string
		for _, err := range NewDirect(1).Examine(t.Context(), template).Errors {
			got = append(got, err.Field)
			of := err.Type != field.ErrorTypeRequired && len(test.fields) > 1 && err.Field == test.fields[len(test.fields)-1]
			with := strings.Contains(err.Detail, "rendered with")
			if template.Spec.SamplePayload == nil && of != with {
				t.Errorf("%s: %v says with which payload: %t", test.reason, err, with)
			}
		}
		if diff := cmp.Diff(test.fields, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.reason, diff)
		}
	}
}

func TestPayloadMayHelp(t *testing.T) {
	fields := PayloadFields{
		"spec.jobTemplate.metadata.labels[branch]",
		"spec.jobTemplate.spec.template.spec.containers[0].env[0].value",
		"spec.jobTemplate.spec.template.spec.volumes[0].name",
	}
	for path, want := range map[string]bool{
		"spec.jobTemplate.metadata.labels":                                                true,
		"spec.jobTemplate.metadata.labels[branch]":                                        true,
		"spec.jobTemplate":                                                                true,
		"spec.jobTemplate.spec.template.spec.containers[0].env[0].value":                  true,
		"spec.jobTemplate.spec.template.spec.containers[0].env[0]":                        true,
		"spec.jobTemplate.metadata.label":                                                 false,
		"spec.jobTemplate.metadata.labels[branches]":                                      false,
		"spec.jobTemplate.metadata.annotations":                                           false,
		"spec.jobTemplate.spec.template.spec.restartPolicy":                               false,
		"spec.jobTemplate.spec.template.spec.containers[0].env[0].name":                   false,
		"spec.jobTemplate.spec.template.spec.containers[0].volumeMounts[0].name":          false,
		"NotFound spec.jobTemplate.spec.template.spec.containers[0].volumeMounts[0].name": true,
	} {
		err := field.Invalid(field.NewPath(strings.TrimPrefix(path, "NotFound ")), "", "")
		if strings.HasPrefix(path, "NotFound ") {
			err.Type = field.ErrorTypeNotFound
		}
		if got := fields.MayHelp(field.ErrorList{err}); got != want {
			t.Errorf("%s: %t", path, got)
		}
	}
	if fields[:2].MayHelp(field.ErrorList{field.NotFound(field.NewPath("spec.jobTemplate.spec.x"), "a")}) {
		t.Error("no name depends on the payload")
	}
}

func TestManyPayloadFields(t *testing.T) {
	args := make([]string, 2*maxPayloadFields)
	for i := range args {
		args[i] = "{{ .Payload }}"
	}
	fields := NewDirect(1).Examine(t.Context(), templateOf(jobWithArgs(args...))).PayloadFields
	if diff := cmp.Diff(PayloadFields{"spec.jobTemplate"}, fields); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
