package gotemplate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"dispatcher.ivan.vc/test/cputime"
)

// fuzzLimits are small, so that the fuzzer tries much.
var fuzzLimits = limits{steps: 10_000, output: 64 << 10, value: 256 << 10, total: 1 << 20, depth: 20, levels: 400, time: time.Second}

// runaway is how much CPU time no render comes near that keeps to fuzzLimits: what the clock ends may go on for as
// long as one call of a function takes.
const runaway = 20 * time.Second

// seeds returns all templates in the golden cases of Jobs.
func seeds(f *testing.F) []string {
	paths, _ := filepath.Glob("../render/testdata/*/template.yaml")
	if len(paths) < 25 {
		f.Fatalf("only %d cases found", len(paths))
	}
	var all []string
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		var document yaml.Node
		if err := yaml.Unmarshal(text, &document); err != nil {
			f.Fatal(err)
		}
		all = append(all, templatesIn(&document)...)
	}
	return all
}

func templatesIn(node *yaml.Node) []string {
	var all []string
	if node.Kind == yaml.ScalarNode && strings.Contains(node.Value, "{{") {
		all = append(all, node.Value)
	}
	for _, inner := range node.Content {
		all = append(all, templatesIn(inner)...)
	}
	return all
}

// FuzzRender renders anything with anything: no panic, no more than the budget, and valid text.
func FuzzRender(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed, `{"a":[1,"$(B)",null]}`)
	}
	for _, row := range hostile {
		f.Add(row.template, "payload")
	}
	f.Fuzz(func(t *testing.T, template, payload string) {
		set, errs := compile(template)
		checkErrors(t, template, errs)
		if len(errs) > 0 {
			return
		}
		set.limits = fuzzLimits
		var rendered string
		took := cputime.Of(func() {
			errs = set.Render(t.Context(), dataOf(payload), func(_ int, is Rendered) { rendered = is.Text })
		})
		if took > runaway {
			t.Errorf("took %v of CPU time", took)
		}
		checkErrors(t, template+payload, errs)
		if len(rendered) > 2*fuzzLimits.output || strings.ToValidUTF8(rendered, "") != rendered {
			t.Errorf("rendered %d bytes: %.100q", len(rendered), rendered)
		}
	})
}

// checkErrors checks that errors are short, and in our own words. input is all that was rendered.
func checkErrors(t *testing.T, input string, errs []Error) {
	for _, err := range errs {
		if len(err.Message) > 3*maxQuoted {
			t.Errorf("an error of %d bytes: %.500s", len(err.Message), err.Message)
		}
		for _, internal := range []string{"template: ", "executing ", emitFunction, rangeFunction, errPanic.Error()} {
			if strings.Contains(err.Message, internal) && !strings.Contains(input, internal) {
				t.Errorf("internals show in %q", err.Message)
			}
		}
	}
}
