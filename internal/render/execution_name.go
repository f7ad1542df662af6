package render

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// ExecutionName returns the name of an execution of a template: as much of the template's name as rule has room for,
// and suffix, which is never cut.
func ExecutionName(template, suffix string, rule NameRule) string {
	room := min(rule.MaxLength, validation.DNS1123LabelMaxLength) - 1 - len(suffix)
	if rule.NoDots {
		template = strings.ReplaceAll(template, ".", "-")
	}
	base := strings.TrimRight(template[:min(len(template), max(room, 0))], "-.")
	if base == "" {
		return suffix
	}
	return base + "-" + suffix
}
