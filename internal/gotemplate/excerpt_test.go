package gotemplate

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestExcerpt(t *testing.T) {
	long := strings.Repeat("é", 500) + "FAULT" + strings.Repeat("é", 500)
	for _, test := range []struct {
		reason, text string
		at           int
		want         string
	}{
		{"the whole of a short text", "a {{ b }}", 2, "a {{ b }}"},
		{"its line", "first\nsecond {{ b }}\nthird", 13, "second {{ b }}"},
		{"the first line", "first\nsecond", 0, "first"},
		{"the last line", "first\nsecond", 12, "second"},
		{"a line that ends as in Windows", "first\r\nsecond\r\n", 8, "second"},
		{"an empty line", "a\n\nb", 2, ""},
		{"nothing", "", 0, ""},
		{"beyond the end", "a", 7, "a"},
		{"before the beginning", "a", -1, "a"},
		{"the start of a long line", strings.Repeat("x", 500), 0, strings.Repeat("x", 100) + "..."},
		{"the end of a long line", strings.Repeat("x", 500), 500, "..." + strings.Repeat("x", 100)},
		{"what is not UTF-8", "a\xff", 0, "a\uFFFD"},
		{
			"the middle of a long line, between characters", long, strings.Index(long, "FAULT"),
			"..." + strings.Repeat("é", 20) + "FAULT" + strings.Repeat("é", 27) + "...",
		},
	} {
		if got := Excerpt(test.text, test.at); got != test.want {
			t.Errorf("%s: got %q, want %q", test.reason, got, test.want)
		}
	}
	for at := range long {
		got := Excerpt(long, at)
		if !utf8.ValidString(got) || strings.Contains(got, "\uFFFD") || len(got) > 110 {
			t.Fatalf("at %d: %q", at, got)
		}
	}
}
