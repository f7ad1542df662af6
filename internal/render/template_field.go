package render

import (
	"strings"

	batchv1 "k8s.io/api/batch/v1"
)

// HasField says whether a template with this jobTemplate sets the field at path, which may lack indexes, or one above or
// below it.
func HasField(spec *batchv1.JobTemplateSpec, path string) bool {
	found := false
	walk(spec, func(at func() place, text string) {
		if found || text == "" {
			return
		}
		own := at().path.String()
		found = isWithin(own, path) || isWithin(path, own) || canMean(path, own)
	})
	return found
}

// isWithin says whether path is the field at outer, or below it.
func isWithin(path, outer string) bool {
	rest, found := strings.CutPrefix(path, outer)
	return found && isEndOfElement(rest)
}
