package render

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// TestWalk walks each kind of string once, and sets each where it was found.
func TestWalk(t *testing.T) {
	spec := &batchv1.JobTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"b": "2", "a": "1"}, CreationTimestamp: metav1.Now()},
		Spec: batchv1.JobSpec{
			ManagedBy: new("pointer"),
			Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				HostAliases: []corev1.HostAlias{{Hostnames: []string{"one", "two"}}},
				Containers: []corev1.Container{{
					ImagePullPolicy: "named",
					LivenessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
						HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromString("port")},
					}},
					ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
						TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(80)},
					}},
				}},
			}},
		},
	}
	want := map[string]string{
		"spec.jobTemplate.metadata.annotations[a]":                                     "1",
		"spec.jobTemplate.metadata.annotations[b]":                                     "2",
		"spec.jobTemplate.spec.managedBy":                                              "pointer",
		"spec.jobTemplate.spec.template.spec.hostAliases[0].hostnames[0]":              "one",
		"spec.jobTemplate.spec.template.spec.hostAliases[0].hostnames[1]":              "two",
		"spec.jobTemplate.spec.template.spec.containers[0].imagePullPolicy":            "named",
		"spec.jobTemplate.spec.template.spec.containers[0].livenessProbe.httpGet.port": "port",
	}
	got := map[string]string{}
	walk(spec, func(at func() place, text string) {
		if text != "" {
			got[at().path.String()] = text
			at().set(spec, text+"!")
		}
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("strings found (-want +got):\n%s", diff)
	}
	walk(spec, func(at func() place, text string) {
		if was := want[at().path.String()]; was != "" && text != was+"!" {
			t.Errorf("%s is %q after it was set", at().path, text)
		}
	})
}

// TestWalkKnowsAllTypes fails when a new Kubernetes brings a string that walk does not reach: one in a map of something
// else than strings, in an array or in an interface.
func TestWalkKnowsAllTypes(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var visit func(typ reflect.Type, path string)
	visit = func(typ reflect.Type, path string) {
		if seen[typ] || opaque[typ] || typ == intOrStringType {
			return
		}
		seen[typ] = true
		switch typ.Kind() {
		case reflect.Struct:
			for f := range typ.Fields() {
				if f.IsExported() {
					visit(f.Type, path+"."+f.Name)
				}
			}
		case reflect.Pointer, reflect.Slice:
			visit(typ.Elem(), path)
		case reflect.Map:
			if elem := typ.Elem(); typ.Key().Kind() != reflect.String || elem.Kind() != reflect.String && !opaque[elem] {
				t.Errorf("%s is a %s, whose strings are not reached", path, typ)
			}
		case reflect.Array, reflect.Interface, reflect.Chan, reflect.Func:
			t.Errorf("%s is a %s, whose strings are not reached", path, typ)
		}
	}
	visit(reflect.TypeFor[batchv1.JobTemplateSpec](), "")
	if len(seen) < 100 {
		t.Errorf("only %d types seen", len(seen))
	}
}

func TestIntOrString(t *testing.T) {
	rows := []struct {
		reason, text string
		want         intstr.IntOrString
	}{
		{"a number", "8080", intstr.FromInt32(8080)},
		{"nothing but zero", "0", intstr.FromInt32(0)},
		{"the API server refuses it, as a number", "-1", intstr.FromInt32(-1)},
		{"a name", "http", intstr.FromString("http")},
		{"zeros in front are no number's", "0080", intstr.FromString("0080")},
		{"nor is a plus", "+80", intstr.FromString("+80")},
		{"nor a space", " 80", intstr.FromString(" 80")},
		{"nor a fraction", "80.0", intstr.FromString("80.0")},
		{"too large for a number", "4294967296", intstr.FromString("4294967296")},
		{"nothing", "", intstr.FromString("")},
	}
	for _, row := range rows {
		if got := intOrString(row.text); got != row.want {
			t.Errorf("%s: %q becomes %#v, want %#v", row.reason, row.text, got, row.want)
		}
	}
}

// TestExpandedFieldsExist finds each field of the kubelet's list in the types.
func TestExpandedFieldsExist(t *testing.T) {
	exec := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"x"}}}}
	container := corev1.Container{
		Command: []string{"x"}, Args: []string{"x"}, Env: []corev1.EnvVar{{Value: "x"}}, VolumeMounts: []corev1.VolumeMount{{SubPathExpr: "x"}},
		LivenessProbe: exec, ReadinessProbe: exec, StartupProbe: exec,
		Lifecycle: &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"x"}}}},
	}
	spec := jobWithArgs()
	spec.Spec.Template.Spec = corev1.PodSpec{
		Containers:          []corev1.Container{container},
		InitContainers:      []corev1.Container{container},
		EphemeralContainers: []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon(container)}},
	}
	found := map[string]bool{}
	walk(spec, func(at func() place, text string) {
		if text == "x" && expandedFields[at().fields] {
			found[at().fields] = true
		}
	})
	if diff := cmp.Diff(expandedFields, found); diff != "" {
		t.Errorf("fields that the kubelet expands (-listed +found):\n%s", diff)
	}
}
