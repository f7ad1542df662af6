package render

import (
	"strings"

	batchv1 "k8s.io/api/batch/v1"
)

// FindString returns the paths of the strings of a Job that are value and that path can mean. The API server leaves
// indexes and keys out of some paths: it calls all labels metadata.labels, and a path in a volume volumeMounts.subPath.
func FindString(job *batchv1.Job, path, value string) []string {
	var found []string
	path = podTemplatePath(path)
	walk(&batchv1.JobTemplateSpec{ObjectMeta: job.ObjectMeta, Spec: job.Spec}, func(at func() place, text string) {
		if text != value {
			return
		}
		if own := strings.TrimPrefix(at().path.String(), jobTemplatePath.String()+"."); canMean(path, own) {
			found = append(found, own)
		}
	})
	return found
}

// canMean says whether path is full, or full without some of its indexes and keys.
func canMean(path, full string) bool {
	for full != "" {
		element := firstElement(full)
		if rest, found := strings.CutPrefix(path, element); found && isEndOfElement(rest) {
			path = rest
		} else if element[0] != '[' {
			return false
		}
		full = full[len(element):]
	}
	return path == ""
}

// firstElement returns the name, or the index or key in brackets, that a path begins with.
func firstElement(path string) string {
	if path[0] == '[' {
		if end := strings.IndexByte(path, ']'); end > 0 {
			return path[:end+1]
		}
		return path
	}
	if end := strings.IndexAny(path[1:], ".["); end >= 0 {
		return path[:end+1]
	}
	return path
}

func isEndOfElement(rest string) bool { return rest == "" || rest[0] == '.' || rest[0] == '[' }
