package render

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/gotemplate"
)

// Warnings says what in a template is legal but most likely not meant, and what to write instead. It does not judge
// whether the template compiles.
func Warnings(template *dispatcherv1alpha1.JobTemplate) []string {
	var warnings []string
	spec := &template.Spec.JobTemplate
	if name := spec.Name; name != "" && !varies(name) {
		warnings = append(warnings, fmt.Sprintf("%s: all executions give their Job the name %q, so that only one of them can exist at a time: "+
			"leave it out, or write {{ .Name }} in it", jobTemplatePath.Child("metadata", "name"), gotemplate.Abridge(name)))
	}
	pod, at := &spec.Spec.Template.Spec, jobTemplatePath.Child("spec", "template", "spec")
	for i := range pod.InitContainers {
		warnings = append(warnings, containerWarnings(&pod.InitContainers[i], at.Child("initContainers").Index(i))...)
	}
	for i := range pod.Containers {
		warnings = append(warnings, containerWarnings(&pod.Containers[i], at.Child("containers").Index(i))...)
	}
	return warnings
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

// containerWarnings warns of the commands and variables of one container.
func containerWarnings(c *corev1.Container, at *field.Path) []string {
	var warnings []string
	words := slices.Concat(c.Command, c.Args)
	script := shellScript(words)
	for i, word := range words {
		where := at.Child("command").Index(i)
		if i >= len(c.Command) {
			where = at.Child("args").Index(i - len(c.Command))
		}
		if i == script {
			warnings = append(warnings, scriptWarnings(word, c.Env, where)...)
			continue
		}
		warnings = append(warnings, unexpanded(word, c.Env, where)...)
	}
	for i := range c.Env {
		warnings = append(warnings, unexpanded(c.Env[i].Value, c.Env[:i], at.Child("env").Index(i).Child("value"))...)
	}
	return warnings
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
func unexpanded(text string, env []corev1.EnvVar, at *field.Path) []string {
	var warnings []string
	for _, match := range variable.FindAllStringSubmatch(actionPattern.ReplaceAllString(text, "{{}}"), -1) {
		reference, name := match[0], match[1]+match[2]
		switch {
		case name == "":
		case declared(env, name):
			warnings = append(warnings, fmt.Sprintf("%s: %s stays as it is, since no shell expands it: write $(%s)", at, reference, name))
		case reference == text:
			warnings = append(warnings, fmt.Sprintf("%s: %s stays as it is, since no shell expands it: run the command in a shell, "+
				"or set %s in env and write $(%s)", at, reference, name, name))
		}
	}
	return warnings
}

func declared(env []corev1.EnvVar, name string) bool {
	return slices.ContainsFunc(env, func(e corev1.EnvVar) bool { return e.Name == name })
}

// reference matches the kubelet's $(NAME), and $$ for the same reason as variable does.
var reference = regexp.MustCompile(`\$\$|\$\(([^()]+)\)`)

// scriptWarnings warns of a payload that becomes part of a shell script, where it can be any command.
func scriptWarnings(script string, env []corev1.EnvVar, at *field.Path) []string {
	var warnings []string
	if printsPayload(script) {
		warnings = append(warnings, fmt.Sprintf("%s: the payload becomes part of a shell script and can be any command: "+
			"write {{ .Payload | shellQuote }}, or put it into a variable NAME in env and write \"$NAME\"", at))
	}
	for _, match := range reference.FindAllStringSubmatch(actionPattern.ReplaceAllString(script, "{{}}"), -1) {
		for _, e := range env {
			if e.Name == match[1] && printsPayload(e.Value) {
				warnings = append(warnings, fmt.Sprintf("%s: Kubernetes puts the value of %s into the shell script, and the payload in it can be any command: "+
					"write \"$%s\", which the shell itself expands", at, match[0], e.Name))
			}
		}
	}
	return warnings
}
