package render

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// ExecutionName returns the name of an execution of a template: as much of the template's name as there is room for,
// and suffix. The Job takes it, and so do labels, so that it has at most 63 characters. suffix must be shorter than
// that.
func ExecutionName(template, suffix string) string {
	room := validation.DNS1123LabelMaxLength - 1 - len(suffix)
	return strings.TrimRight(template[:min(len(template), room)], "-.") + "-" + suffix
}
