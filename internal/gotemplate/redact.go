package gotemplate

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Whoever runs a template need not be allowed to read it, and has to be told why it fails nevertheless. What its
// author writes as a constant may be a secret; the names of fields and functions are not, and say what is missing.

// constant matches the constants of a template that are text: "text", `text` and 'c'.
var constant = regexp.MustCompile("\"(?:[^\"\\\\\n]|\\\\.)*\"|`[^`]*`|'(?:[^'\\\\\n]|\\\\.)+'")

// quotation matches what a message may quote.
var quotation = regexp.MustCompile("\"[^\"]*\"|`[^`]*`")

const (
	// hidden stands for a constant in a message.
	hidden = `"..."`

	// shortestHidden is the length from which a constant is looked for without its quotes. A shorter one is in many
	// words.
	shortestHidden = 3

	// maxSearched bounds the part of a message that is searched. An error shows much less of it.
	maxSearched = 16 * maxQuoted
)

// redactor hides the constants of a template in messages about it.
type redactor struct {
	sources []string // as they stand in the template, the longest first
	texts   []string // what they mean, in the same order
}

func newRedactor(text string) redactor {
	found := constant.FindAllString(text, -1)
	slices.SortFunc(found, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	r := redactor{sources: slices.Compact(found)}
	for _, source := range r.sources {
		meant, err := strconv.Unquote(source)
		if err != nil {
			meant = source[1 : len(source)-1]
		}
		r.texts = append(r.texts, meant)
	}
	return r
}

// action hides the constants in a part of the template.
func (r redactor) action(text string) string { return constant.ReplaceAllString(text, hidden) }

// message hides the constants in what a function says, which may contain them with other quotes or none, and parts of
// them in quotes.
func (r redactor) message(text string) string {
	text = text[:min(len(text), maxSearched)]
	for i, source := range r.sources {
		text = strings.ReplaceAll(text, source, hidden)
		if meant := r.texts[i]; len(meant) >= shortestHidden {
			text = strings.ReplaceAll(text, meant, "...")
			quoted := strconv.Quote(meant)
			text = strings.ReplaceAll(text, quoted[1:len(quoted)-1], "...")
		}
	}
	return quotation.ReplaceAllStringFunc(text, func(quoted string) string {
		inner := quoted[1 : len(quoted)-1]
		if inner != "" && slices.ContainsFunc(r.texts, func(meant string) bool { return strings.Contains(meant, inner) }) {
			return hidden
		}
		return quoted
	})
}
