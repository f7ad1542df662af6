package render

import (
	"fmt"
	"iter"
	"path"
	"regexp"
	"slices"
	"strings"
	"text/template/parse"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"dispatcher.ivan.vc/internal/gotemplate"
)

// container warns of the commands and variables of one container.
func (w *warner) container(c *corev1.Container, at *field.Path) {
	declared := newVariables(c.Env)
	words := slices.Concat(c.Command, c.Args)
	where := func(i int) *field.Path {
		if i < len(c.Command) {
			return at.Child("command").Index(i)
		}
		return at.Child("args").Index(i - len(c.Command))
	}
	scripts := findScripts(words)
	if len(c.Command) == 0 && isBash(c.Image) {
		scripts = findEntrypointScripts("bash", words)
	}
	w.scripts(words, scripts, declared, where)
	if !slices.ContainsFunc(words, func(word string) bool { return withVariables[programName(word)] }) {
		isScript := make(map[int]bool, len(scripts))
		for _, s := range scripts {
			isScript[s.word] = true
		}
		for i, word := range words {
			if !isScript[i] {
				w.unexpanded(word, declared.values, where(i))
			}
		}
	}
	before := make(map[string][]string, len(c.Env))
	for i := range c.Env {
		w.unexpanded(c.Env[i].Value, before, at.Child("env").Index(i).Child("value"))
		before[c.Env[i].Name] = nil
	}
	w.hooks(c, declared, at)
}

// isBash says whether an image is Docker's image of bash, whose entrypoint hands options to bash.
func isBash(image string) bool {
	name, _, _ := strings.Cut(path.Base(image), ":")
	name, _, _ = strings.Cut(name, "@")
	return name == "bash"
}

// hooks warns of the commands of probes and lifecycle hooks. The kubelet does not expand $(NAME) in those of
// lifecycle hooks.
func (w *warner) hooks(c *corev1.Container, declared *variables, at *field.Path) {
	for _, probe := range []struct {
		name string
		*corev1.Probe
	}{
		{"livenessProbe", c.LivenessProbe}, {"readinessProbe", c.ReadinessProbe}, {"startupProbe", c.StartupProbe},
	} {
		if probe.Probe != nil {
			w.exec(probe.Exec, declared, at.Child(probe.name))
		}
	}
	if lifecycle := c.Lifecycle; lifecycle != nil {
		if lifecycle.PostStart != nil {
			w.exec(lifecycle.PostStart.Exec, nil, at.Child("lifecycle", "postStart"))
		}
		if lifecycle.PreStop != nil {
			w.exec(lifecycle.PreStop.Exec, nil, at.Child("lifecycle", "preStop"))
		}
	}
}

func (w *warner) exec(action *corev1.ExecAction, declared *variables, at *field.Path) {
	if action != nil {
		w.scripts(action.Command, findScripts(action.Command), declared, at.Child("exec", "command").Index)
	}
}

// scripts warns of a payload that becomes part of a script in a command, where it can be any code: at most once for
// each word. declared are the variables that the kubelet puts into the words, nil if it does not.
func (w *warner) scripts(words []string, scripts []script, declared *variables, where func(int) *field.Path) {
	for _, s := range scripts {
		if w.ended() {
			return
		}
		text := words[s.word]
		in := s.language
		printed := payloadPrinted(text, in)
		references := w.payloadReferences(text, declared, in)
		if printed == nil && len(references) == 0 {
			continue
		}
		warning := ""
		if printed != nil {
			warning = fmt.Sprintf(
				"%sthe payload becomes part of %s and can be %s: %s", linePosition(text, printed), in.code, in.danger, in.remedy(),
			)
		}
		if len(references) > 0 {
			warning = withReferences(warning, references, in)
		}
		w.add(where(s.word), warning)
	}
}

// linePosition names the place of an action in a text of several lines.
func linePosition(text string, action *parse.ActionNode) string {
	if !strings.Contains(text, "\n") {
		return ""
	}
	return gotemplate.Position(text, int(action.Pos))
}

// withReferences adds to a warning that Kubernetes puts variables with the payload into the script.
func withReferences(warning string, references []string, in *language) string {
	first := gotemplate.Abridge(references[0])
	others := ""
	if more := len(references) - 1; more > 0 {
		others = fmt.Sprintf(" (and %d more)", more)
	}
	instead := in.remedy()
	if read := in.read(first); read != "" {
		instead = fmt.Sprintf("write %s, which the script itself reads", read)
	}
	if warning != "" {
		return fmt.Sprintf("%s; the same holds for $(%s)%s: %s", warning, first, others, instead)
	}
	return fmt.Sprintf(
		"Kubernetes puts the value of $(%s)%s into %s, and the payload in it can be %s: %s",
		first, others, in.code, in.danger, instead,
	)
}

// reference matches the kubelet's $(NAME), and $$ for the same reason as variable does.
var reference = regexp.MustCompile(`\$\$|\$\(([^()]+)\)`)

// payloadReferences returns the names of the variables with the payload that the kubelet puts into a script, each once.
func (w *warner) payloadReferences(text string, declared *variables, in *language) []string {
	if declared == nil {
		return nil
	}
	var names []string
	for _, name := range w.references(reference, text) {
		if declared.printPayload(name, in) {
			names = append(names, name)
		}
	}
	return names
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
	printing map[variableIn]bool
}

// variableIn is a variable whose value becomes part of a script.
type variableIn struct {
	name string
	*language
}

func newVariables(env []corev1.EnvVar) *variables {
	v := &variables{values: make(map[string][]string, len(env)), printing: map[variableIn]bool{}}
	for i := range env {
		v.values[env[i].Name] = append(v.values[env[i].Name], env[i].Value)
	}
	return v
}

// printPayload says whether a value of the variable prints the payload in a way that is not safe in a script of the
// language.
func (v *variables) printPayload(name string, in *language) bool {
	key := variableIn{name, in}
	prints, known := v.printing[key]
	if !known {
		prints = slices.ContainsFunc(v.values[name], func(value string) bool { return payloadPrinted(value, in) != nil })
		v.printing[key] = prints
	}
	return prints
}
