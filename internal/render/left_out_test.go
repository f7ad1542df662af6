package render

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

const leave = "{{ leaveOut }}"

// TestLeaveOutEverywhere leaves out each string of a Job that has all fields, alone. What goes with it is the list item
// or the map's value or the field, and nothing else: the rest of the Job is as it was. And the Job can be taken apart
// and put together again, as it is between the worker and the manager.
func TestLeaveOutEverywhere(t *testing.T) {
	whole := &batchv1.JobTemplateSpec{}
	fill(reflect.ValueOf(whole).Elem())
	whole.Namespace = "jobs"
	seen := map[string]bool{}
	walk(whole, func(at func() place, _ string) {
		p := at()
		if seen[p.fields] {
			return
		}
		seen[p.fields] = true
		spec := whole.DeepCopy()
		p.set(spec, leave)
		program, errs := compile(spec)
		if len(errs) > 0 {
			t.Fatal(p.path, errs)
		}
		rendered, errs := program.render(t.Context(), testData("payload"), program.fieldErrors)
		if len(errs) > 0 {
			t.Fatal(p.path, errs)
		}
		want := whole.DeepCopy()
		if n := p.item(); n > 0 {
			list := reach(want, p.hops[:n-1])
			i := p.hops[n-1].index
			list.Set(reflect.AppendSlice(list.Slice(0, i), list.Slice(i+1, list.Len())))
			if list.Len() == 0 {
				list.SetZero()
			}
		} else {
			p.clear(want)
		}
		if !reflect.DeepEqual(want, rendered.JobTemplateSpec) {
			t.Errorf("%s (-want +got):\n%s", p.path, cmp.Diff(want, rendered.JobTemplateSpec))
		}
		template, execution := templateOf(spec), &dispatcherv1alpha1.JobExecution{}
		execution.Name, execution.Namespace = "run-1", "jobs"
		job, errs := NewDirect(1).Job(t.Context(), template, execution)
		if len(errs) > 0 {
			t.Fatal(p.path, errs)
		}
		again, errs, err := Assemble(template, execution, Texts(template, job))
		if !reflect.DeepEqual(job, again) || len(errs) > 0 || err != nil {
			t.Errorf("%s: %v %v (-rendered +assembled):\n%s", p.path, errs, err, cmp.Diff(job, again))
		}
	})
	if len(seen) < 400 {
		t.Errorf("only %d strings were left out", len(seen))
	}
}

// fill sets everything that v can hold: an item in each list, or two in short ones, and two entries in each map.
func fill(v reflect.Value) {
	if opaque[v.Type()] {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		items := 1
		if v.Type().Elem().Kind() == reflect.String || v.Type() == reflect.TypeFor[[]corev1.EnvVar]() {
			items = 2
		}
		v.Set(reflect.MakeSlice(v.Type(), items, items))
		for i := range items {
			fill(v.Index(i))
		}
	case reflect.Map:
		if v.Type().Elem().Kind() == reflect.String {
			v.Set(reflect.MakeMap(v.Type()))
			for _, key := range []string{"a", "b"} {
				v.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), reflect.ValueOf("x").Convert(v.Type().Elem()))
			}
		}
	case reflect.Struct:
		if v.Type() == intOrStringType {
			v.Set(reflect.ValueOf(intstr.FromString("x")))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i))
			}
		}
	}
}

// TestWhatIsLeftOut tests which part of a Job goes with a string, by the rules of docs/templates.md.
func TestWhatIsLeftOut(t *testing.T) {
	spec := &batchv1.JobTemplateSpec{}
	fill(reflect.ValueOf(spec).Elem())
	const pod = "spec.jobTemplate.spec.template.spec."
	want := map[string]string{
		pod + "containers[0].args[0]":                                         "item of args",
		pod + "containers[0].env[0].name":                                     "item of env",
		pod + "containers[0].env[0].value":                                    "item of env",
		pod + "containers[0].env[0].valueFrom.fieldRef.apiVersion":            "item of env",
		pod + "containers[0].envFrom[0].secretRef.name":                       "item of envFrom",
		pod + "containers[0].name":                                            "item of containers",
		pod + "containers[0].image":                                           "item of containers",
		pod + "initContainers[0].image":                                       "item of initContainers",
		pod + "containers[0].imagePullPolicy":                                 "field",
		pod + "containers[0].livenessProbe.httpGet.path":                      "field",
		pod + "containers[0].livenessProbe.httpGet.httpHeaders[0].value":      "item of httpHeaders",
		pod + "containers[0].securityContext.seccompProfile.localhostProfile": "field",
		pod + "containers[0].volumeMounts[0].subPath":                         "item of volumeMounts",
		pod + "tolerations[0].effect":                                         "item of tolerations",
		pod + "imagePullSecrets[0].name":                                      "item of imagePullSecrets",
		pod + "volumes[0].secret.secretName":                                  "item of volumes",
		pod + "volumes[0].projected.sources[0].secret.items[0].path":          "item of items",
		pod + "volumes[0].ephemeral.volumeClaimTemplate.metadata.labels[a]":   "field",
		pod + "nodeSelector[a]":                                               "field",
		pod + "runtimeClassName":                                              "field",
		"spec.jobTemplate.metadata.labels[a]":                                 "field",
		"spec.jobTemplate.metadata.name":                                      "field",
	}
	got := map[string]string{}
	walk(spec, func(at func() place, _ string) {
		p := at()
		if want[p.path.String()] == "" {
			return
		}
		got[p.path.String()] = "field"
		if n := p.item(); n > 0 {
			got[p.path.String()] = "item of " + p.hops[n-2].name
		}
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLeftOutPaths turns indexes of the template's lists into those of the Job and back.
func TestLeftOutPaths(t *testing.T) {
	left := leftOut{"spec.a[1].b": {0, 1, 4}, "spec.a": {0, 2}, "spec.c": {3}}
	for list, items := range left {
		kept := 0
		for index := range 8 {
			position, ok := left.position(list, index)
			if !ok {
				continue
			}
			if position != kept {
				t.Errorf("%s[%d] is at %d, want %d", list, index, position, kept)
			}
			if got := templateIndex(items, fmt.Sprint(position)); got != index {
				t.Errorf("%s[%d] came back as %d", list, index, got)
			}
			kept++
		}
	}
	for path, want := range map[string]string{
		"spec.a[0].b[0].x": "spec.a[1].b[2].x",
		"spec.a[1].b[0].x": "spec.a[3].b[0].x",
		"spec.c[2]":        "spec.c[2]",
		"spec.c[3]":        "spec.c[4]",
		"spec.d[0].a[1]":   "spec.d[0].a[1]",
		"spec.labels[00]":  "spec.labels[00]",
		"spec.c":           "spec.c",
		"spec.c[":          "spec.c[",
		"":                 "",
	} {
		if got := left.path(path); got != want {
			t.Errorf("%s becomes %s, want %s", path, got, want)
		}
	}
	job := &batchv1.Job{}
	job.Annotations = map[string]string{}
	if errs := left.annotate(job); len(errs) > 0 {
		t.Fatal(errs)
	}
	if diff := cmp.Diff(left, leftOutOf(job)); diff != "" {
		t.Errorf("the annotation (-written +read):\n%s", diff)
	}
	if got := TemplatePath(job, "spec.a[0].b[0].x"); got != "spec.jobTemplate.spec.a[1].b[2].x" {
		t.Errorf("TemplatePath gives %s", got)
	}
}

// TestLeftOutErrorPaths: an error that is found in the Job names the item of the template.
func TestLeftOutErrorPaths(t *testing.T) {
	spec := jobWithArgs(leave, "a", leave, "{{ .Payload }}")
	spec.Spec.Template.Spec.InitContainers = []corev1.Container{{Name: leave, Image: "x"}, {Name: "y", Args: []string{"{{ .Payload }}"}}}
	program, errs := compile(spec)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	_, errs = program.render(t.Context(), testData("\x00"), program.fieldErrors)
	var paths []string
	for _, err := range errs {
		paths = append(paths, strings.TrimPrefix(err.Field, "spec.jobTemplate.spec.template.spec."))
	}
	if diff := cmp.Diff([]string{"initContainers[1].args[0]", "containers[0].args[3]"}, paths); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLeftOutIsNotTaken: another process can leave out only what the template asks for.
func TestLeftOutIsNotTaken(t *testing.T) {
	template := templateOf(jobWithArgs("{{ .Payload }}", "{{ .Payload | default leaveOut }}"))
	execution := &dispatcherv1alpha1.JobExecution{}
	execution.Namespace = template.Namespace
	for i, taken := range []bool{false, true} {
		texts := make([]Rendered, 2)
		texts[i].LeftOut = true
		job, errs, err := Assemble(template, execution, texts)
		if (err == nil) != taken || len(errs) > 0 {
			t.Errorf("text %d: %v, %v", i, errs, err)
		}
		if taken && len(job.Spec.Template.Spec.Containers[0].Args) != 1 {
			t.Errorf("text %d: %v", i, job.Spec.Template.Spec.Containers[0].Args)
		}
	}
}

// TestManyLeftOut bounds what is noted on the Job.
func TestManyLeftOut(t *testing.T) {
	args := make([]string, 2*maxLeftOut/3)
	for i := range args {
		args[i] = []string{leave, "x"}[i%2]
	}
	template, execution := templateOf(jobWithArgs(args...)), &dispatcherv1alpha1.JobExecution{}
	if _, errs := NewDirect(1).Job(t.Context(), template, execution); len(errs) != 1 || errs[0].Field != "spec.jobTemplate" {
		t.Errorf("got %v", errs)
	}
}

// TestLeftOutIsNotForged: only what is left out is noted, whatever the author writes into the annotation.
func TestLeftOutIsNotForged(t *testing.T) {
	spec := jobWithArgs("{{ .Payload }}")
	spec.Annotations = map[string]string{dispatcherv1alpha1.AnnotationLeftOut: "spec.template.spec.containers[0].args[0]"}
	job, errs := NewDirect(1).Job(t.Context(), templateOf(spec), &dispatcherv1alpha1.JobExecution{})
	if len(errs) > 0 || job.Annotations[dispatcherv1alpha1.AnnotationLeftOut] != "" {
		t.Errorf("%v %v", job.Annotations, errs)
	}
}
