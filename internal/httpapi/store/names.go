package store

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/validation"
)

const (
	// nameSuffixLength is the length of the random end of an execution's name.
	nameSuffixLength = 10

	// maxNameLength is that of an execution's name: its Job takes it.
	maxNameLength = validation.DNS1123LabelMaxLength
)

// newName returns a name for an execution of template. It is ours to choose, and not the API server's: an object whose
// create was not answered can be looked up only by a name that is known.
func newName(template string) string {
	return executionName(template, rand.String(nameSuffixLength))
}

// executionName is as much of the template's name as there is room for, and suffix.
func executionName(template, suffix string) string {
	prefix := template[:min(len(template), maxNameLength-1-len(suffix))]
	return strings.TrimRight(prefix, "-.") + "-" + suffix
}
