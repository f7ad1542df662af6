package gotemplate

import (
	"strings"
	"unicode/utf8"
)

// An excerpt has at most this many bytes before and after the place that is wrong, and not more than the line.
const (
	excerptBefore = 40
	excerptAfter  = 60
)

// Excerpt returns the line of text around an offset, for an error: of a long line, the part around the offset. It is
// valid UTF-8.
func Excerpt(text string, at int) string {
	at = min(max(at, 0), len(text))
	from := strings.LastIndex(text[:at], "\n") + 1
	to := len(text)
	if end := strings.Index(text[at:], "\n"); end >= 0 {
		to = at + end
	}
	before, after := "", ""
	if to-from > excerptBefore+excerptAfter {
		if start := max(min(at-excerptBefore, to-excerptBefore-excerptAfter), from); start > from {
			from, before = characterAt(text, start), "..."
		}
		if end := from + excerptBefore + excerptAfter; end < to {
			to, after = characterAt(text, end), "..."
		}
	}
	return before + strings.ToValidUTF8(strings.TrimSuffix(text[from:to], "\r"), "\uFFFD") + after
}

// characterAt returns the offset of the character that the byte at an offset is part of.
func characterAt(text string, at int) int {
	for i := at; i > 0 && i > at-utf8.UTFMax; i-- {
		if utf8.RuneStart(text[i]) {
			return i
		}
	}
	return at
}
