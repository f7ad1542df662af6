package render

import (
	"reflect"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// Every field of metadata either reaches the Job or is warned of.
func TestMetadataReachesJobOrIsWarnedOf(t *testing.T) {
	const namespace = "jobs"
	values := map[string]any{
		"Name":                       "x-{{ .Name }}",
		"GenerateName":               "x-",
		"Namespace":                  namespace,
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
			field := reflect.ValueOf(&template.Spec.JobTemplate.ObjectMeta).Elem().FieldByIndex(changed.Index)
			field.Set(value.Convert(changed.Type))
			reached := changed.Name == "Namespace" || !reflect.DeepEqual(without, metadataOfJob(t, template))

			key, _, _ := strings.Cut(changed.Tag.Get("json"), ",")
			warnings := findWarnings(t.Context(), template)
			warned := len(warnings) == 1 && strings.HasPrefix(warnings[0], "spec.jobTemplate.metadata."+key+": ")
			if reached == warned {
				t.Errorf("reaches the Job: %t, warned of: %t, warnings %q", reached, warned, warnings)
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
