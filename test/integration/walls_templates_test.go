package integration

import (
	"fmt"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// hostileValues make a value $v that costs whoever looks at all of it: for ever, twice as much with each level, or a
// stack.
var hostileValues = map[string]string{
	"a dictionary in itself":              `{{ $v := dict }}{{ $_ := set $v "l" $v }}`,
	"a dictionary in a list in itself":    `{{ $d := dict }}{{ $v := list $d }}{{ $_ := set $d "l" $v }}`,
	"two dictionaries in each other":      `{{ $v := dict }}{{ $w := dict "v" $v }}{{ $_ := set $v "w" $w }}`,
	"a dictionary merged into itself":     `{{ $v := dict }}{{ $_ := mergeOverwrite $v (dict "l" (list $v)) }}`,
	"the labels in themselves":            `{{ $v := .JobTemplate.Labels }}{{ $_ := set $v "l" $v }}`,
	"a list of itself, twice, 50 deep":    `{{ $v := list 1 }}{{ range until 50 }}{{ $v = list $v $v }}{{ end }}`,
	"a dictionary of itself, 50 deep":     `{{ $v := dict }}{{ range until 50 }}{{ $v = dict "a" $v "b" $v }}{{ end }}`,
	"a list of a list, 90,000 deep":       `{{ $v := list }}{{ range until 90000 }}{{ $v = list $v }}{{ end }}`,
	"a dictionary 90,000 dictionaries in": `{{ $v := dict }}{{ range until 90000 }}{{ $v = dict "a" $v }}{{ end }}`,
}

// looks are calls that look at $v, each in its own way. Most are sprig's, some text/template's.
var looks = []string{
	`dict $v 1`, `dict "a" $v "b"`, `slice (list 1) $v`, `slice $v 0 $v`, `mustSlice (list 1 2) $v`,
	`printf "%v" $v`, `printf "%d" $v`, `printf "%*d" $v 1`, `printf "%.*f" $v 1.5`,
	`printf "%[3]*.[2]*[1]f" 1.5 2 $v`, `print $v`, `println $v`, `html $v`, `js $v`, `urlquery $v`, `len $v`,
	`index $v $v`, `index $v 0`, `eq $v $v`, `ne $v 1`, `lt $v 1`, `not $v`, `and $v $v`, `toJson $v`,
	`mustToJson $v`, `toPrettyJson $v`, `toRawJson $v`, `toYaml $v`, `toString $v`, `toStrings $v`, `quote $v`,
	`squote $v`, `cat $v $v`, `join "," $v`, `deepCopy $v`, `mustDeepCopy $v`, `deepEqual $v $v`,
	`has $v (list $v)`, `has 1 $v`, `without (list $v) $v`, `uniq (list $v $v)`, `compact (list $v)`,
	`concat $v $v`, `first $v`, `initial $v`, `last $v`, `rest $v`, `reverse $v`, `append $v 1`,
	`append (list) $v`, `prepend $v $v`, `chunk 1 $v`, `sortAlpha $v`, `default 1 $v`, `default $v nil`,
	`empty $v`, `coalesce $v`, `all $v`, `any $v`, `ternary $v 1 true`, `ternary 1 2 $v`, `kindOf $v`, `typeOf $v`,
	`kindIs "map" $v`, `typeIsLike "x" $v`, `int $v`, `int64 $v`, `float64 $v`, `atoi $v`, `toDecimal $v`,
	`add $v 1`, `mul $v $v`, `max $v 1`, `floor $v`, `round $v 1`, `until $v`, `untilStep $v 1 1`, `seq $v`,
	`get $v "a"`, `hasKey $v "a"`, `keys $v`, `values $v`, `pick $v "a"`, `omit $v "a"`, `pluck "a" $v $v`,
	`dig "a" $v $v`, `dig "a" "b" "c" $v`, `merge $v $v`, `merge (dict) $v`, `mergeOverwrite (dict "a" $v) $v`,
	`mustMerge $v (dict "l" $v)`, `unset $v "a"`, `set $v "again" $v`, `set (dict) "a" $v`, `trim $v`,
	`repeat $v "a"`, `repeat 3 $v`, `trunc $v "abc"`, `substr 0 $v "abc"`, `indent $v "a"`, `replace "a" $v "abc"`,
	`required "x" $v`, `required $v nil`, `fail $v`, `sha256sum $v`, `b64enc $v`, `regexMatch $v "a"`,
	`split $v "a"`, `splitList "," $v`, `date $v now`, `ago $v`, `duration $v`, `semver $v`, `urlParse $v`,
	`urlJoin $v`, `tuple $v`, `list $v | toJson`, `shellQuote $v`, `fromYaml $v`, `fromJson $v`, `wrap 1 $v`,
	`plural "a" "b" $v`, `hello $v`,
}

var _ = walls("A hostile template", func(namespace func() string) {
	It("of 70 bytes is refused by kubectl apply, with the field", func(ctx SpecContext) {
		// This one needs a new name: the other is stored.
		hostile := newTemplate(namespace(), value(hostileStack))
		hostile.Name = "hostile"
		applied := kubectl.Apply(ctx, hostile)
		Expect(applied.Err).To(HaveOccurred())
		Expect(applied.Stderr).
			To(And(ContainSubstring("spec.jobTemplate"), Not(ContainSubstring("failed calling webhook"))))

		By("changing the harmless one to it")
		hostile.Name = "echo"
		applied = kubectl.Apply(ctx, hostile)
		Expect(applied.Err).To(HaveOccurred())
		Expect(applied.Stderr).
			To(And(ContainSubstring("spec.jobTemplate"), Not(ContainSubstring("failed calling webhook"))))
	})

	for what, made := range hostileValues {
		It("is judged in time, whatever function is given "+what, func(ctx SpecContext) {
			sideBySide(looks, func(look string) {
				template := newTemplate(namespace(), value(made+"{{ $x := "+look+" }}"))
				template.Name, template.Labels = "hostile", map[string]string{"a": "b"}
				_ = judged(func() error { return admin.Create(ctx, template.DeepCopy(), client.DryRunAll) }, look)
			})
		})
	}

	It("is judged in time, whatever it ranges over, prints or calls", func(ctx SpecContext) {
		labels := `{{ $_ := set .JobTemplate.Labels "x" .JobTemplate.Labels }}`
		sideBySide([]string{
			labels + `{{ range .JobTemplate }}{{ end }}`,
			labels + `{{ range . }}{{ end }}`,
			labels + `{{ range $k, $v := .JobTemplate.Labels }}{{ $v }}{{ end }}`,
			labels + `{{ .JobTemplate }}`,
			labels + `{{ . }}`,
			labels + `{{ .JobTemplate.Labels }}`,
			labels + `{{ template "t" . }}{{ define "t" }}{{ .JobTemplate.Labels.x }}{{ end }}`,
			labels + `{{ if .JobTemplate.Labels.x }}{{ .JobTemplate.Labels.x }}{{ end }}`,
			labels + `{{ with .JobTemplate.Labels.x.x.x.x }}{{ len . }}{{ range . }}{{ . }}{{ end }}{{ end }}`,
			`{{ define "t" }}{{ template "t" . }}{{ end }}{{ template "t" . }}`,
			`{{ define "a" }}{{ template "b" . }}{{ template "b" . }}{{ end }}{{ define "b" }}{{ template "a" . }}{{ end }}` +
				`{{ template "a" . }}`,
			`{{ range 9223372036854775807 }}{{ end }}`,
			`{{ range until 1000000000 }}{{ end }}`,
			`{{ range until 1000 }}{{ range until 1000 }}{{ range until 1000 }}x{{ end }}{{ end }}{{ end }}`,
			`{{ $s := "x" }}{{ range until 64 }}{{ $s = printf "%s%s" $s $s }}{{ end }}`,
			`{{ $s := repeat 1000000 "x" }}{{ $l := list }}{{ range until 1000 }}{{ $l = append $l (upper $s) }}{{ end }}`,
			`{{ repeat 2147483647 "xxxx" }}`,
			`{{ printf "%2147483647d" 1 }}`,
			`{{ printf "%*d" 1000000000 1 }}`,
			`{{ $l := list }}{{ range until 1500 }}{{ $l = append $l (printf "%*d" (int64 1000000) 1) }}{{ end }}`,
			`{{ printf "%.*f" (index (fromJson "[1000000000]") 0) 1.5 }}`,
			`{{ printf "%[2]*[1]d" 1 (int64 1000000000) }}`,
			`{{ printf "%999999v" (fromJson "{\"a\":1,\"b\":2,\"c\":3,\"d\":4}") }}`,
			`{{ $v := dict }}{{ range until 100 }}{{ $_ := set $v (toString .) . }}{{ end }}{{ printf "%999999v" $v }}`,
			hostileTime,
			hostileMemory,
			`{{ $v := repeat 1000000 "a" }}{{ range until 1000000 }}{{ $_ := regexMatch "(a|aa)*b" $v }}{{ end }}`,
			`{{ $v := repeat 1000000 "a," }}{{ range until 1000000 }}{{ $_ := splitList "," $v }}{{ end }}`,
			strings.Repeat(`{{ if true }}`, 5000) + strings.Repeat(`{{ end }}`, 5000),
			`{{ ` + strings.Repeat(`(`, 30000) + `1` + strings.Repeat(`)`, 30000) + ` }}`,
			strings.Repeat(`{{ $x := 1 }}`, 9000),
		}, func(text string) {
			template := newTemplate(namespace(), value(text))
			template.Name, template.Labels = "hostile", map[string]string{"a": "b"}
			_ = judged(func() error { return admin.Create(ctx, template.DeepCopy(), client.DryRunAll) }, abridged(text))
		})
	})

	It("does its worst for one payload only, and only that one is refused", func(ctx SpecContext) {
		texts := []string{
			hostileStack,
			`{{ $d := dict }}{{ $_ := set $d "l" $d }}{{ $x := slice (list 1) $d }}`,
			`{{ $_ := set .JobTemplate.Labels "x" .JobTemplate.Labels }}{{ range .JobTemplate }}{{ end }}`,
			hostileShares + `{{ $x := dict $v 1 }}`,
			hostileShares + `{{ $x := slice (list 1) $v }}`,
			hostileShares + `{{ toJson $v }}`,
			hostileMemory,
			hostileTime,
			`{{ define "t" }}{{ template "t" . }}{{ end }}{{ template "t" . }}`,
		}
		numbers := make([]int, len(texts))
		for i := range numbers {
			numbers[i] = i
		}
		sideBySide(numbers, func(i int) {
			name := fmt.Sprintf("hostile-%d", i)
			template := newTemplate(namespace(), value(boomOf(texts[i])))
			template.Name, template.Labels = name, map[string]string{"a": "b"}
			if judged(func() error { return admin.Create(ctx, template.DeepCopy()) }, texts[i]) != nil {
				return // It may be seen to be hostile without being run.
			}
			By("sending " + name + " its payload, by HTTP and by kubectl")
			for range 2 {
				Expect(executed(ctx, namespace()+"/"+name, "boom", texts[i]).Code).
					NotTo(Equal(http.StatusCreated), texts[i])
			}
			execution := newExecution(namespace(), name, "boom")
			execution.Spec.JobTemplateName = name
			Expect(judged(func() error { return admin.Create(ctx, execution.DeepCopy()) }, texts[i])).
				NotTo(Succeed(), texts[i])
		})
	})

	It("with a quantity that takes hours to print is refused, with the field", func(ctx SpecContext) {
		object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(newTemplate(namespace()))
		Expect(err).NotTo(HaveOccurred())
		template := &unstructured.Unstructured{Object: object}
		template.SetGroupVersionKind(dispatcherv1alpha1.GroupVersion.WithKind("JobTemplate"))
		overhead := []string{"spec", "jobTemplate", "spec", "template", "spec", "overhead"}
		for _, quantity := range []string{"1234567890123456789012e1000000", strings.Repeat("9", 100_000)} {
			Expect(unstructured.SetNestedStringMap(object, map[string]string{"cpu": quantity}, overhead...)).To(Succeed())
			template.SetName("quantity")
			err := admin.Create(ctx, template.DeepCopy(), client.DryRunAll)
			Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%s: %v", abridged(quantity), err)
			// Of a long one the API server adds, without a field, that it has not checked everything.
			Expect(causes(err)).To(HaveKey(HavePrefix("spec.jobTemplate.spec.template.spec.overhead")), abridged(quantity))
		}
	})

	It("with 40,000 variables that refer to each other is judged in time", func(ctx SpecContext) {
		many := func(value func(i int) string, last ...corev1.EnvVar) func(*dispatcherv1alpha1.JobTemplate) {
			return func(t *dispatcherv1alpha1.JobTemplate) {
				env := make([]corev1.EnvVar, 0, 40_001)
				for i := range 40_000 {
					env = append(env, corev1.EnvVar{Name: fmt.Sprintf("A%d", i), Value: value(i)})
				}
				container(t).Env = append(env, last...)
			}
		}
		shell := func(command ...string) func(*dispatcherv1alpha1.JobTemplate) {
			return func(t *dispatcherv1alpha1.JobTemplate) { container(t).Command = command }
		}
		none := func(int) string { return "" }
		for what, change := range map[string][]func(*dispatcherv1alpha1.JobTemplate){
			"a value of $A":         {many(none, corev1.EnvVar{Name: "Z", Value: strings.Repeat("$A ", 39_000)})},
			"a value of references": {many(none, corev1.EnvVar{Name: "Z", Value: strings.Repeat("$(A1)", 25_000)})},
			"each refers to the one before": {
				many(func(i int) string { return fmt.Sprintf("$(A%d)", i-1) }),
			},
			"a shell that is given references": {
				shell("sh", "-c", strings.Repeat("$(A)", 2000)),
				func(t *dispatcherv1alpha1.JobTemplate) {
					container(t).Env = []corev1.EnvVar{{Name: "A", Value: strings.Repeat("echo $A; ", 12_500)}}
				},
			},
			"a value of dollars":           {value(strings.Repeat("$", 120_000))},
			"a value of open references":   {value(strings.Repeat("$(", 60_000))},
			"a command of open references": {shell("sh", "-c", strings.Repeat("$(", 60_000))},
		} {
			By(what)
			template := newTemplate(namespace(), change...)
			template.Name = "many"
			_ = judged(func() error { return admin.Create(ctx, template.DeepCopy(), client.DryRunAll) }, what)
		}
	})
})
