package integration

import (
	"fmt"
	"net/http"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/user"
)

// largest is as many bytes as a payload may have. Only kubectl may send that many; an HTTP call may send a quarter.
const largest = 1 << 20

// nested is JSON that is so many levels deep, around a text.
func nested(levels int, text string) string {
	return strings.Repeat(`{"a":`, levels) + `"` + text + `"` + strings.Repeat(`}`, levels)
}

var _ = walls("A hostile payload", func(namespace func() string) {
	// execute sends a payload in an HTTP call, or as kubectl does where it is too large for one or that is wanted.
	execute := func(ctx SpecContext, template, payload string, kubectl bool) {
		GinkgoHelper()
		what := template + ": " + abridged(payload)
		if !kubectl && len(payload) <= 256<<10 {
			_ = executed(ctx, namespace()+"/"+template, payload, what)
			return
		}
		execution := newExecution(namespace(), "", payload)
		execution.GenerateName, execution.Spec.JobTemplateName = "hostile-", template
		_ = judged(func() error { return admin.Create(ctx, execution.DeepCopy(), client.DryRunAll) }, what)
	}
	// rows tries each payload with each template, side by side, and every other one as kubectl does.
	rows := func(ctx SpecContext, texts map[string]string, payloads []string) {
		GinkgoHelper()
		type row struct {
			template, payload string
			kubectl           bool
		}
		var all []row
		for name, text := range texts {
			template := newTemplate(namespace(), value(text))
			template.Name, template.Spec.SamplePayload = name, new(`{"n":1,"s":"1"}`)
			Expect(admin.Create(ctx, template)).To(Succeed())
			for _, payload := range payloads {
				all = append(all, row{name, payload, len(all)%2 == 0})
			}
		}
		sideBySide(all, func(r row) { execute(ctx, r.template, r.payload, r.kubectl) })
	}

	It("of what the kubelet expands is judged in time, whatever it becomes", func(ctx SpecContext) {
		argument := newTemplate(namespace(), func(t *dispatcherv1alpha1.JobTemplate) {
			t.Name = "argument"
			container(t).Args = []string{"{{ .Payload }}", "{{ .Payload }}$(PAYLOAD)"}
		})
		ignored := newTemplate(namespace(), value("constant"),
			func(t *dispatcherv1alpha1.JobTemplate) { t.Name = "ignored" })
		Expect(admin.Create(ctx, argument)).To(Succeed())
		Expect(admin.Create(ctx, ignored)).To(Succeed())
		for _, part := range []string{"$", "$(", "$$(", "$(A", "$(A)", "$(PAYLOAD)", ")", "(", "$)", "x"} {
			for _, size := range []int{256 << 10, largest} {
				for _, template := range []string{"argument", "ignored"} {
					execute(ctx, template, strings.Repeat(part, size/len(part)), false)
				}
			}
		}
	})

	It("of nested JSON is judged in time, however it is printed", func(ctx SpecContext) {
		rows(ctx, map[string]string{
			"yaml":   `{{ mustFromJson .Payload | toYaml }}`,
			"json":   `{{ mustFromJson .Payload | toJson }}`,
			"pretty": `{{ mustFromJson .Payload | toPrettyJson }}`,
			"go":     `{{ printf "%v %+v %q" (mustFromJson .Payload) (fromYaml .Payload) .Payload }}`,
			"copied": `{{ $x := mustFromJson .Payload | deepCopy }}{{ deepEqual $x (mustFromJson .Payload) }}` +
				`{{ $x | toYaml | fromYaml | toYaml }}`,
		}, []string{
			nested(98, strings.Repeat("a ", 117_000)),
			nested(98, strings.Repeat(`\n`, 117_000)),
			nested(10_000, "a"),
			strings.Repeat("[", 200_000),
			strings.Repeat("[", 60_000) + strings.Repeat("]", 60_000),
			`{"a":[` + strings.Repeat(`[],`, 60_000) + `[]]}`,
			`{` + strings.Repeat(`"a":1,`, 40_000) + `"b":2}`,
			`[` + strings.Repeat(`1e308,`, 40_000) + `1]`,
			`"` + strings.Repeat(`\u0000`, 40_000) + `"`,
			`"` + strings.Repeat(`\ud800`, 40_000) + `"`,
			nested(98, strings.Repeat("a ", 500_000)),
		})
	})

	It("of YAML is judged in time, whatever it refers to", func(ctx SpecContext) {
		laughs := "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
		for i := range 9 {
			nine := strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 9), ",")
			laughs += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, nine)
		}
		rows(ctx, map[string]string{
			"yaml":   `{{ fromYaml .Payload | toYaml }}`,
			"values": `{{ range $k, $v := fromYaml .Payload }}{{ $v }}{{ end }}`,
		}, []string{
			laughs,
			"a: &a\n  b: *a\n",
			"&a [*a]",
			strings.Repeat("- ", 100_000),
			strings.Repeat("? ", 100_000),
			strings.Repeat("[", 100_000),
			strings.Repeat("{a: ", 60_000),
			strings.Repeat("a: |\n", 40_000),
			strings.Repeat("!!binary ", 20_000),
			"a: " + strings.Repeat("!", 200_000),
			strings.Repeat("- &a x\n", 30_000),
			strings.Repeat(" ", 250_000) + "a",
		})
	})

	It("of numbers is judged in time, whatever they are the size of", func(ctx SpecContext) {
		number := `{{ $n := (mustFromJson .Payload).n }}`
		rows(ctx, map[string]string{
			"width":     number + `{{ printf "%*d" $n 1 }}`,
			"precision": number + `{{ printf "%.*f" $n 1.5 }}`,
			"indexed":   number + `{{ printf "%[2]*[1]d" 1 $n }}`,
			"string":    number + `{{ printf "%*s" $n "a" }}`,
			"repeat":    number + `{{ repeat (int $n) "abc" }}`,
			"until":     number + `{{ until (int $n) | join "," }}`,
			"steps":     number + `{{ untilStep 0 (int $n) 1 | len }}`,
			"indent":    number + `{{ indent (int $n) "a" }}`,
			"random":    number + `{{ randAlphaNum (int $n) | len }}`,
			"wrap":      number + `{{ wrapWith (int $n) "\n" "some words" }}`,
			"range":     number + `{{ range $n }}x{{ end }}`,
			"chunks":    number + `{{ chunk (int $n) (list 1 2 3) | toJson }}`,
			"substring": number + `{{ substr 0 (int $n) "abc" }}`,
			"date":      number + `{{ dateModify (printf "%dh" $n) now | date "2006" }}`,
		}, []string{
			`{"n":1000000000}`, `{"n":-1000000000}`, `{"n":9223372036854775807}`, `{"n":-9223372036854775808}`,
			`{"n":1e308}`, `{"n":1000000}`,
		})
	})

	It("of text is judged in time, whatever is looked for in it", func(ctx SpecContext) {
		text := `{{ $s := (mustFromJson .Payload).s }}`
		rows(ctx, map[string]string{
			"pattern":  text + `{{ regexMatch $s (repeat 10000 "a") }}`,
			"matched":  text + `{{ regexReplaceAll "(a|aa)+$" $s "b" }}`,
			"found":    text + `{{ regexFindAll "a*" $s -1 | len }}`,
			"replaced": text + `{{ replace "a" "bbbbbbbbbbbbbbbb" $s }}`,
			"replaces": text + `{{ replace "" $s $s }}`,
			"split":    text + `{{ splitList "" $s | join "," }}`,
			"sorted":   text + `{{ splitList "a" $s | sortAlpha | uniq | len }}`,
			"words":    text + `{{ title $s }}{{ snakecase $s }}{{ initials $s }}`,
			"quoted":   text + `{{ $s | quote | squote | shellQuote | js | html | urlquery }}`,
			"layout":   text + `{{ now | date (replace "1" "2006" $s) }}`,
			"format":   text + `{{ printf (replace "1" "%v%v%v" $s) 1 2 3 }}`,
			"version":  text + `{{ semverCompare $s "1.2.3" }}`,
			"joined":   text + `{{ $l := list }}{{ range until 1000 }}{{ $l = append $l $s }}{{ end }}{{ join $s $l }}`,
		}, []string{
			`{"s":"` + strings.Repeat("a", 200_000) + `"}`,
			`{"s":"` + strings.Repeat("a?", 400) + strings.Repeat("a", 400) + `"}`,
			`{"s":"` + strings.Repeat("(", 900) + strings.Repeat(")", 900) + `"}`,
			`{"s":"((((a{1,100}){1,100}){1,100}){1,100}){1,100}"}`,
			`{"s":"` + strings.Repeat("%999999d", 20_000) + `"}`,
			`{"s":"` + strings.Repeat("%v", 60_000) + `"}`,
			`{"s":"` + strings.Repeat("2006", 60_000) + `"}`,
			`{"s":"` + strings.Repeat(">1.0 || ", 25_000) + `1"}`,
			`{"s":"` + strings.Repeat("é ", 60_000) + `"}`,
		})
	})

	It("is judged in time while many others are", func(ctx SpecContext) {
		text := `{{ $v := mustFromJson .Payload }}{{ range until 20000 }}{{ $_ := toYaml $v }}{{ end }}`
		template := newTemplate(namespace(), value(text))
		template.Name, template.Spec.SamplePayload = "busy", new(`[]`)
		if judged(func() error { return admin.Create(ctx, template.DeepCopy()) }, "a busy template") != nil {
			return
		}
		answers := make(chan user.Answer, 40)
		payload := nested(90, strings.Repeat("a ", 100_000))
		var callers sync.WaitGroup
		for range cap(answers) {
			callers.Go(func() {
				defer GinkgoRecover()
				answers <- put(ctx, namespace()+"/busy", payload)
			})
		}
		callers.Wait()
		close(answers)
		for answered := range answers {
			switch answered.Code {
			case http.StatusTooManyRequests, http.StatusServiceUnavailable:
				Expect(answered.Header.Get("Retry-After")).NotTo(BeEmpty())
			case http.StatusGatewayTimeout:
				Expect(answered.Problem().Reason).To(Equal("Timeout"))
			default:
				refusedAtFieldOf(answered, "a busy template")
			}
		}
	})
})
