package render

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/gotemplate"
)

// maxWarnings is how many warnings of one template are given. kubectl shows each on a line of its own.
const maxWarnings = 20

// findWarnings says what in a template is legal but most likely not meant, and what to write instead. It does not judge
// whether the template compiles. It takes time in proportion to the size of the template, and ends early when ctx ends.
func findWarnings(ctx context.Context, template *dispatcherv1alpha1.JobTemplate) []string {
	w := warner{ctx: ctx}
	spec := &template.Spec.JobTemplate
	if name := spec.Name; name != "" && !varies(name) {
		w.warn(
			jobTemplatePath.Child("metadata", "name"),
			"all executions give their Job the name %q, so that only one of them can exist "+
				"at a time: leave it out, or write {{ .Name }} in it",
			name,
		)
	}
	for _, ignored := range ignoredMetadata(&spec.ObjectMeta) {
		w.warn(
			jobTemplatePath.Child("metadata", ignored),
			"is ignored: of metadata, a Job gets only name, labels and annotations, so leave it out",
		)
	}
	pod, at := &spec.Spec.Template.Spec, jobTemplatePath.Child("spec", "template", "spec")
	for i := range pod.InitContainers {
		w.container(&pod.InitContainers[i], at.Child("initContainers").Index(i))
	}
	for i := range pod.Containers {
		w.container(&pod.Containers[i], at.Child("containers").Index(i))
	}
	return w.warnings
}

// ignoredMetadata returns the fields that are set but not copied to the Job. The namespace is checked when the Job is
// rendered. The API server removes fields that the CRD does not have.
func ignoredMetadata(metadata *metav1.ObjectMeta) []string {
	set, err := runtime.DefaultUnstructuredConverter.ToUnstructured(metadata)
	if err != nil {
		return nil
	}
	for _, used := range []string{"name", "namespace", "labels", "annotations"} {
		delete(set, used)
	}
	return slices.Sorted(maps.Keys(set))
}

// warner collects warnings.
type warner struct {
	ctx      context.Context
	warnings []string
}

// ended says that no more warnings are needed.
func (w *warner) ended() bool { return len(w.warnings) > maxWarnings || w.ctx.Err() != nil }

// warn adds a warning. What it names may be as long as a template.
func (w *warner) warn(at *field.Path, format string, named ...string) {
	if len(w.warnings) >= maxWarnings {
		w.warnings = append(
			w.warnings[:maxWarnings], jobTemplatePath.String()+": there are more warnings than are listed here",
		)
		return
	}
	args := make([]any, len(named))
	for i, name := range named {
		args[i] = gotemplate.Abridge(name)
	}
	w.warnings = append(w.warnings, at.String()+": "+fmt.Sprintf(format, args...))
}

// action matches the actions of a template.
var actionPattern = regexp.MustCompile(`(?s)\{\{.*?\}\}`)

// varies says whether a name has an action that differs from execution to execution.
func varies(name string) bool {
	for _, action := range actionPattern.FindAllString(name, -1) {
		action = strings.ReplaceAll(action, ".JobTemplate.Name", "")
		for _, source := range []string{".Name", ".Payload", "rand", "uuidv4", "now", "shuffle"} {
			if strings.Contains(action, source) {
				return true
			}
		}
	}
	return false
}

// container warns of the commands and variables of one container.
func (w *warner) container(c *corev1.Container, at *field.Path) {
	declared := newVariables(c.Env)
	words := slices.Concat(c.Command, c.Args)
	script := shellScript(words)
	for i, word := range words {
		where := at.Child("command").Index(i)
		if i >= len(c.Command) {
			where = at.Child("args").Index(i - len(c.Command))
		}
		if i == script {
			w.script(word, declared, where)
			continue
		}
		w.unexpanded(word, declared.values, where)
	}
	before := make(map[string][]string, len(c.Env))
	for i := range c.Env {
		w.unexpanded(c.Env[i].Value, before, at.Child("env").Index(i).Child("value"))
		before[c.Env[i].Name] = nil
	}
}

// shellScript returns which of the words is the script of a shell, as in `sh -c SCRIPT`, or -1.
func shellScript(words []string) int {
	if len(words) == 0 || !slices.Contains([]string{"sh", "ash", "bash", "dash", "ksh", "zsh"}, path.Base(words[0])) {
		return -1
	}
	for i, word := range words[1:] {
		if !strings.HasPrefix(word, "-") && !strings.HasPrefix(word, "+") {
			break
		}
		if !strings.HasPrefix(word, "--") && strings.Contains(word, "c") && i+2 < len(words) {
			return i + 2
		}
	}
	return -1
}

// variable matches $NAME and ${NAME}, and also $$ so that $$NAME, which is no reference, is not taken for one.
var variable = regexp.MustCompile(`\$\$|\$([A-Za-z_][A-Za-z0-9_]*)|\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// unexpanded warns of $NAME where no shell expands it: of the container's variables wherever they stand, and of others
// where they stand alone, since a word of awk or of a regular expression may well look like that.
func (w *warner) unexpanded(text string, declared map[string][]string, at *field.Path) {
	for reference, name := range w.references(variable, text) {
		switch _, ok := declared[name]; {
		case ok:
			w.warn(at, "%s stays as it is, since no shell expands it: write $(%s)", reference, name)
		case reference == text:
			w.warn(
				at,
				"%s stays as it is, since no shell expands it: run the command in a shell, or set %s in env and write $(%s)",
				reference,
				name,
				name,
			)
		}
	}
}

// reference matches the kubelet's $(NAME), and $$ for the same reason as variable does.
var reference = regexp.MustCompile(`\$\$|\$\(([^()]+)\)`)

// script warns of a payload that becomes part of a shell script, where it can be any command.
func (w *warner) script(script string, declared *variables, at *field.Path) {
	if printsPayload(script) {
		w.warn(at, "the payload becomes part of a shell script and can be any command: write {{ .Payload | shellQuote }}, "+
			"or put it into a variable NAME in env and write \"$NAME\"")
	}
	for match, name := range w.references(reference, script) {
		if declared.printPayload(name) {
			w.warn(at, "Kubernetes puts the value of %s into the shell script, and the payload in it can be any command: "+
				"write \"$%s\", which the shell itself expands", match, name)
		}
	}
}

// references yields what pattern matches in text, outside of actions, and the name in it, each name once.
func (w *warner) references(pattern *regexp.Regexp, text string) iter.Seq2[string, string] {
	return func(yield func(reference, name string) bool) {
		if !strings.Contains(text, "$") {
			return
		}
		text = actionPattern.ReplaceAllString(text, "{{}}")
		seen := map[string]bool{}
		for !w.ended() {
			match := pattern.FindStringSubmatchIndex(text)
			if match == nil {
				return
			}
			for group := 2; group < len(match); group += 2 {
				if match[group] < 0 {
					continue
				}
				name := text[match[group]:match[group+1]]
				if !seen[name] && !yield(text[match[0]:match[1]], name) {
					return
				}
				seen[name] = true
			}
			text = text[match[1]:]
		}
	}
}

// variables are those that a container declares.
type variables struct {
	values map[string][]string
	// printing says which of them print the payload, as far as that was asked.
	printing map[string]bool
}

func newVariables(env []corev1.EnvVar) *variables {
	v := &variables{values: make(map[string][]string, len(env)), printing: map[string]bool{}}
	for i := range env {
		v.values[env[i].Name] = append(v.values[env[i].Name], env[i].Value)
	}
	return v
}

// printPayload says whether a value of the variable prints the payload unquoted.
func (v *variables) printPayload(name string) bool {
	prints, known := v.printing[name]
	if !known {
		prints = slices.ContainsFunc(v.values[name], printsPayload)
		v.printing[name] = prints
	}
	return prints
}
