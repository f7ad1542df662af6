package render

import (
	"strings"

	batchv1 "k8s.io/api/batch/v1"
)

// JobStrings are strings of a Job, by their value.
type JobStrings map[string][]string

// maxSameStrings is how many strings with one value JobStrings have: it is enough for an answer.
const maxSameStrings = 100

// FindStrings returns where a Job has these values.
func FindStrings(job *batchv1.Job, values []string) JobStrings {
	found := JobStrings{}
	for _, value := range values {
		found[value] = nil
	}
	walk(&batchv1.JobTemplateSpec{ObjectMeta: job.ObjectMeta, Spec: job.Spec}, func(at func() place, text string) {
		if known, wanted := found[text]; wanted && len(known) < maxSameStrings {
			found[text] = append(known, strings.TrimPrefix(at().path.String(), jobTemplatePath.String()+"."))
		}
	})
	return found
}

// At returns the paths of the strings that are value and that path can mean. The API server leaves indexes and keys out
// of some paths: it calls all labels metadata.labels, and a path in a volume volumeMounts.subPath.
func (s JobStrings) At(path, value string) []string {
	path = podTemplatePath(path)
	var found []string
	for _, full := range s[value] {
		if canMean(path, full) {
			found = append(found, full)
		}
	}
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
