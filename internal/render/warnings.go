package render

import (
	"context"
	"fmt"
	"regexp"
	"strings"

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
	if spec.GenerateName != "" {
		w.add(
			jobTemplatePath.Child("metadata", "generateName"),
			"is ignored: the Job has the name of its execution, or metadata.name, which may be a template; leave it out",
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

// warner collects warnings.
type warner struct {
	ctx      context.Context
	warnings []string
}

// ended says that no more warnings are needed.
func (w *warner) ended() bool { return len(w.warnings) > maxWarnings || w.ctx.Err() != nil }

// warn adds a warning. What it names may be as long as a template.
func (w *warner) warn(at *field.Path, format string, named ...string) {
	args := make([]any, len(named))
	for i, name := range named {
		args[i] = gotemplate.Abridge(name)
	}
	w.add(at, fmt.Sprintf(format, args...))
}

// add adds a warning.
func (w *warner) add(at *field.Path, warning string) {
	if len(w.warnings) >= maxWarnings {
		w.warnings = append(
			w.warnings[:maxWarnings], jobTemplatePath.String()+": there are more warnings than are listed here",
		)
		return
	}
	w.warnings = append(w.warnings, at.String()+": "+warning)
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
