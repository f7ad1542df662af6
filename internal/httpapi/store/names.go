package store

import (
	"crypto/rand"
	"strings"

	"dispatcher.ivan.vc/internal/render"
)

// nameSuffixLength is the length of the random end of an execution's name: 50 bits.
const nameSuffixLength = 10

// newName returns a name for an execution of template that nobody can guess. It is ours to choose, and not the API
// server's: an object whose create was not answered can be looked up only by a name that is known.
func newName(template string) string {
	return render.ExecutionName(template, strings.ToLower(rand.Text()[:nameSuffixLength]))
}
