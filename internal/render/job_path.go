package render

import "strings"

// podTemplatePaths are fields that Job validation names by another path than the one that they have in the object.
var podTemplatePaths = map[string]string{
	"spec.template.labels":      "spec.template.metadata.labels",
	"spec.template.annotations": "spec.template.metadata.annotations",
}

// TemplatePath turns the path of a Job's field, as the API server names it, into the path that this field has in the
// JobTemplate that the Job was rendered from. No path is the path of the whole Job.
func TemplatePath(path string) string {
	if path == "" || path == "<nil>" {
		return jobTemplatePath.String()
	}
	for from, to := range podTemplatePaths {
		if rest, found := strings.CutPrefix(path, from); found && (rest == "" || strings.ContainsAny(rest[:1], "[.")) {
			path = to + rest
			break
		}
	}
	return jobTemplatePath.String() + "." + path
}
