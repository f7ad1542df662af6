package render

import (
	"strings"

	batchv1 "k8s.io/api/batch/v1"
)

// HaveFields says of each path whether a template with this jobTemplate sets the field at the path, which may lack
// indexes, or one above or below it.
func HaveFields(spec *batchv1.JobTemplateSpec, paths []string) []bool {
	found, missing := make([]bool, len(paths)), len(paths)
	walk(spec, func(at func() place, text string) {
		if missing == 0 || text == "" {
			return
		}
		own := at().path.String()
		for i, path := range paths {
			if !found[i] && (isWithin(own, path) || isWithin(path, own) || canMean(path, own)) {
				found[i] = true
				missing--
			}
		}
	})
	return found
}

// isWithin says whether path is the field at outer, or below it.
func isWithin(path, outer string) bool {
	rest, found := strings.CutPrefix(path, outer)
	return found && isEndOfElement(rest)
}
