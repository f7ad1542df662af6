package render

import (
	"fmt"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// indexed is a template of an Indexed Job.
func indexed(completions *int32) *batchv1.JobTemplateSpec {
	spec := jobWithArgs("x")
	spec.Spec.CompletionMode = new(batchv1.IndexedCompletion)
	spec.Spec.Completions = completions
	return spec
}

func TestNameRules(t *testing.T) {
	labeled := func(text string) *batchv1.JobTemplateSpec {
		spec := jobWithArgs("x")
		spec.Spec.Template.Labels = map[string]string{"run": text}
		return spec
	}
	named := func(spec *batchv1.JobTemplateSpec, name string) *batchv1.JobTemplateSpec {
		spec.Name = name
		return spec
	}
	volume := jobWithArgs("x")
	volume.Spec.Template.Spec.Volumes = []corev1.Volume{{Name: "data-{{ .Name }}"}}
	anyMode := indexed(new(int32(12)))
	anyMode.Spec.CompletionMode = new(batchv1.CompletionMode(`{{ .Payload }}`))
	incomplete := indexed(nil)
	incomplete.Spec.Parallelism = new(int32(2))
	notIndexed := jobWithArgs("{{ .Name }}" + strings.Repeat("x", 100))
	notIndexed.Spec.Completions = new(int32(100_000))

	for _, test := range []struct {
		reason string
		spec   *batchv1.JobTemplateSpec
		most   int
		noDots bool
	}{
		{"a Job of one pod, whose arguments may be long", notIndexed, 63, false},
		{"Indexed, one completion: -0", indexed(new(int32(1))), 61, true},
		{"12 completions: -11", indexed(new(int32(12))), 60, true},
		{"100,000 completions: -99999", indexed(new(int32(100_000))), 57, true},
		{"no completions: nothing runs", indexed(new(int32(0))), 63, false},
		{"completions null: the API server makes it one", indexed(nil), 61, true},
		{"completions null, and parallelism: the API server refuses the Job", incomplete, 63, false},
		{"may be Indexed", anyMode, 60, true},
		{"the template names the Job, with the name of the execution", named(jobWithArgs("x"), "nightly-{{ .Name }}"), 55, false},
		{"and the Job is Indexed", named(indexed(new(int32(12))), "nightly-{{ .Name }}"), 52, true},
		{"the template names the Job, without it", named(indexed(new(int32(12))), "nightly"), 63, false},
		{"the template names the Job by its payload, which may be empty", named(indexed(new(int32(12))), "{{ .Payload }}"), 60, true},
		{"in a label", labeled("run-{{ .Name }}"), 59, false},
		{"twice", labeled("{{ .Name }}.{{ $.Name }}"), 31, false},
		{"with the namespace and the template's name", labeled("{{- .Namespace }}.{{ .JobTemplate.Name -}} .{{.Name}}"), 63 - 7 - 1 - 7 - 1, false},
		{"beside what is not known, and may be empty", labeled("{{ .Payload }}-{{ .Name }}"), 62, false},
		{"cut by a function", labeled("run-{{ .Name | trunc 20 }}"), 63, false},
		{"only in some cases", labeled("{{if(.Payload)}}{{ .Name }}{{else}}{{ .Name }}{{end}}"), 63, false},
		{"what looks like the end of an action", labeled("{{ print `}}xxxxxxxxx{{` }}{{ .Name }}"), 63, false},
		{"not closed", labeled("{{ .Name "), 63, false},
		{"no name is short enough", labeled(strings.Repeat("a", 63) + "{{ .Name }}"), 63, false},
		{"in the name of a volume, which is a DNS label", volume, 58, true},
	} {
		template := templateOf(test.spec)
		template.Name, template.Namespace = "example", "default"
		rule := NameRuleOf(template)
		if rule.MaxLength != test.most || rule.NoDots != test.noDots {
			t.Errorf("%s: at most %d characters, no dots: %v; want %d and %v",
				test.reason, rule.MaxLength, rule.NoDots, test.most, test.noDots)
		}
	}
}

// A Job that is not Indexed after all takes all names, and so does one with another name.
func TestCheckNameKnowsTheJob(t *testing.T) {
	spec := indexed(new(int32(12)))
	spec.Spec.CompletionMode = new(batchv1.CompletionMode(`{{ .Payload }}`))
	template, name := templateOf(spec), strings.Repeat("a", 63)
	named := templateOf(spec)
	named.Spec.JobTemplate.Name = `{{ if eq .Payload "Indexed" }}{{ leaveOut }}{{ else }}another{{ end }}`
	always := templateOf(indexed(new(int32(12))))
	always.Spec.JobTemplate.Name = named.Spec.JobTemplate.Name
	for _, test := range []struct {
		template      *dispatcherv1alpha1.JobTemplate
		payload, name string
		refused       bool
	}{
		{template, "Indexed", name, true}, {template, "NonIndexed", name, false},
		{template, "Indexed", "a.b", true}, {template, "Indexed", name[:60], false},
		{named, "Indexed", name, true}, {named, "NonIndexed", name, false},
		{always, "Indexed", name, true}, {always, "another name", name, false},
	} {
		execution := &dispatcherv1alpha1.JobExecution{ObjectMeta: metav1.ObjectMeta{Name: test.name}}
		execution.Spec.Payload = test.payload
		job, errs := NewDirect(1).Job(t.Context(), test.template, execution)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		err := CheckName(test.template, job, test.name)
		if (err != nil) != test.refused || err != nil && err.Field != "metadata.name" {
			t.Errorf("%s, %s: got %v", test.payload, test.name, err)
		}
	}
}

// The API server judges the name of an execution as part of the Job. Names that the HTTP API makes are as long as there
// is room for, and their suffix is whole.
func TestExecutionNames(t *testing.T) {
	const ten, twenty = "0123456789", "01234567890123456789"
	names := []string{"a.b", strings.Repeat("a", 51) + "-bcd", strings.Repeat("a", 50) + "-.b.c.d"}
	for length := 1; length <= 63; length++ {
		names = append(names, strings.Repeat("a", length))
	}
	for _, completions := range []int32{0, 1, 12, 100_000, 2_147_483_647} {
		for _, prefix := range []string{"", "nightly-backup-of-all-"} {
			spec := indexed(new(completions))
			if prefix != "" {
				spec.Name = prefix + "{{ .Name }}"
			}
			for _, name := range names {
				template := templateOf(spec)
				template.Name = name
				rule := NameRuleOf(template)
				for _, suffix := range []string{ten, twenty} {
					got := ExecutionName(name, suffix, rule)
					host := prefix + got
					problems := validation.IsDNS1123Subdomain(host)
					if completions > 0 {
						host = fmt.Sprintf("%s-%d", host, completions-1)
						problems = validation.IsDNS1123Label(host)
					}
					if len(problems) > 0 || len(host) > 63 || !rule.Allows(got) || !strings.HasSuffix(got, suffix) {
						t.Errorf("the execution of %s is called %s, a host %s: %v", name, got, host, problems)
					}
				}
			}
		}
	}
	for _, test := range []struct{ template, want, reason string }{
		{"a", "a-" + ten, "a short name stays whole"},
		{strings.Repeat("a", 63), strings.Repeat("a", 52) + "-" + ten, "a long one is cut"},
		{strings.Repeat("a", 51) + ".b", strings.Repeat("a", 51) + "-" + ten, "a cut never ends in a dot"},
		{strings.Repeat("a", 50) + "--b", strings.Repeat("a", 50) + "-" + ten, "nor in dashes"},
		{strings.Repeat("a", 50) + "-b.c", strings.Repeat("a", 50) + "-b-" + ten, "a dash inside stays"},
	} {
		if got := ExecutionName(test.template, ten, AnyName()); got != test.want {
			t.Errorf("%s: got %s, want %s", test.reason, got, test.want)
		}
	}
	if got := ExecutionName("a", ten, NameRule{MaxLength: 3}); got != ten {
		t.Errorf("without room, the name is %q: the suffix must not be cut", got)
	}
}
