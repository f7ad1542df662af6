package trial

import (
	"strings"

	batchv1 "k8s.io/api/batch/v1"

	"dispatcher.ivan.vc/internal/render"
)

// templateWarning tells a warning about a Job as one about its template: a path at the beginning becomes the path in
// the template. It returns false for a warning about the Job's name, which only stands in for the name of an
// execution.
func templateWarning(job *batchv1.Job, text string) (string, bool) {
	path, rest, found := strings.Cut(text, ": ")
	switch {
	case found && path == "metadata.name":
		return "", false
	case found && (strings.HasPrefix(path, "spec.") || strings.HasPrefix(path, "metadata.")):
		return render.TemplatePath(job, path) + ": " + rest, true
	default:
		return render.TemplatePath(job, "") + ": " + text, true
	}
}
