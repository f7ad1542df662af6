package render

import (
	"strings"

	batchv1 "k8s.io/api/batch/v1"
)

// podTemplatePaths are fields that Job validation names by another path than the one that they have in the object.
var podTemplatePaths = map[string]string{
	"spec.template.labels":      "spec.template.metadata.labels",
	"spec.template.annotations": "spec.template.metadata.annotations",
}

// TemplatePath turns the path of a Job's field, as the API server names it, into the path that this field has in the
// JobTemplate that the Job was rendered from, where lists have the items that are left out of the Job. No path is the
// path of the whole Job.
func TemplatePath(job *batchv1.Job, path string) string {
	if path == "" || path == "<nil>" {
		return jobTemplatePath.String()
	}
	return jobTemplatePath.String() + "." + leftOutOf(job).path(podTemplatePath(path))
}

// podTemplatePath returns the path that a field has in the Job which validation names by path.
func podTemplatePath(path string) string {
	for from, to := range podTemplatePaths {
		if rest, found := strings.CutPrefix(path, from); found && isEndOfElement(rest) {
			return to + rest
		}
	}
	return path
}
