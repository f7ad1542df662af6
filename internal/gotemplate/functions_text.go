package gotemplate

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// textFunctions cut texts between characters (code points), where sprig's cut between bytes: what they make of valid
// UTF-8 is valid. A number that makes no sense is an error, where sprig panics or returns the text as it is.
var textFunctions = map[string]function{
	"trunc":      {truncatedText, boundText(1)},
	"substr":     {substring, boundText(1)},
	"abbrev":     {func(width int, text string) (string, error) { return abbreviated(0, width, text) }, boundText(2)},
	"abbrevboth": {abbreviated, boundText(2)},
	"wrap": {func(width int, text string) (string, error) {
		return wrapped(width, "\n", text, false)
	}, boundText(2)},
	"wrapWith": {wrapWith, boundWrapWith},
	"initials": {initials, boundText(1)},
	"nospace":  {nospace, boundText(1)},
	"repeat":   {repeated, boundRepeat},
	"indent":   {indented, boundIndent},
	"nindent":  {nindented, boundIndent},
}

// offsetOf returns the offset in text of the n-th character, counted from 0, or its length where it has fewer.
func offsetOf(text string, n int) int {
	if n >= len(text) {
		return len(text)
	}
	for offset := range text {
		if n <= 0 {
			return offset
		}
		n--
	}
	return len(text)
}

// truncatedText returns the first characters of a text, or the last ones for a negative count.
func truncatedText(count int, text string) string {
	if count >= 0 {
		return text[:offsetOf(text, count)]
	}
	return text[offsetOf(text, utf8.RuneCountInString(text)+count):]
}

// substring returns the characters from start to before end. A negative start is the beginning of the text, and a
// negative or too large end is its end.
func substring(start, end int, text string) (string, error) {
	length := utf8.RuneCountInString(text)
	if end < 0 || end > length {
		end = length
	}
	start = max(start, 0)
	switch {
	case start > length:
		return "", fmt.Errorf("there is no position %d: the text has %d characters", start, length)
	case start > end:
		return "", fmt.Errorf("the end, %d, is before the start, %d", end, start)
	}
	from := offsetOf(text, start)
	return text[from : from+offsetOf(text[from:], end-start)], nil
}

const (
	ellipsis = "..."
	// minAbbreviated and minAbbreviatedBoth are the least widths of a text that is shortened at its end, and at both
	// ends: one character, and the ellipses.
	minAbbreviated     = len(ellipsis) + 1
	minAbbreviatedBoth = 2*len(ellipsis) + 1
)

// abbreviated shortens a text to width characters. What is left out at its beginning, which is up to offset
// characters, and at its end is an ellipsis.
func abbreviated(offset, width int, text string) (string, error) {
	switch {
	case width < minAbbreviated:
		return "", fmt.Errorf("the width must be at least %d", minAbbreviated)
	case offset > 0 && width < minAbbreviatedBoth:
		return "", fmt.Errorf("the width must be at least %d with an offset", minAbbreviatedBoth)
	}
	length := utf8.RuneCountInString(text)
	if length <= width {
		return text, nil
	}
	offset = min(offset, length-(width-len(ellipsis)))
	if offset <= len(ellipsis)+1 { // An ellipsis would not be shorter, as in sprig.
		return truncatedText(width-len(ellipsis), text) + ellipsis, nil
	}
	if offset+width-len(ellipsis) >= length {
		return ellipsis + truncatedText(len(ellipsis)-width, text), nil
	}
	return ellipsis + truncatedText(width-2*len(ellipsis), text[offsetOf(text, offset):]) + ellipsis, nil
}

func wrapWith(width int, separator, text string) (string, error) {
	if separator == "" {
		separator = "\n"
	}
	return wrapped(width, separator, text, true)
}

// wrapped breaks a text at spaces into lines of at most width characters. Longer words are lines of their own, or are
// broken too.
func wrapped(width int, separator, text string, breakWords bool) (string, error) {
	if width < 1 {
		return "", errors.New("the width must be at least 1")
	}
	var lines strings.Builder
	for left := utf8.RuneCountInString(text); left > width; {
		if text[0] == ' ' {
			text, left = text[1:], left-1
			continue
		}
		room := offsetOf(text, width)
		_, next := utf8.DecodeRuneInString(text[room:]) // A space may follow the last character of a line.
		end := strings.LastIndexByte(text[:room+next], ' ')
		switch {
		case end >= 0:
		case breakWords:
			lines.WriteString(text[:room])
			lines.WriteString(separator)
			text, left = text[room:], left-width
			continue
		default:
			space := strings.IndexByte(text[room:], ' ')
			if space < 0 {
				lines.WriteString(text)
				return lines.String(), nil
			}
			end = room + space
		}
		lines.WriteString(text[:end])
		lines.WriteString(separator)
		left -= utf8.RuneCountInString(text[:end]) + 1
		text = text[end+1:]
	}
	lines.WriteString(text)
	return lines.String(), nil
}

// initials returns the first character of each word.
func initials(text string) string {
	var first strings.Builder
	inWord := false
	for _, char := range text {
		space := unicode.IsSpace(char)
		if !space && !inWord {
			first.WriteRune(char)
		}
		inWord = !space
	}
	return first.String()
}

func nospace(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text)
}

var errNegative = errors.New("the count must not be negative")

func repeated(count int, text string) (string, error) {
	if count < 0 {
		return "", errNegative
	}
	return strings.Repeat(text, count), nil
}

func indented(spaces int, text string) (string, error) {
	if spaces < 0 {
		return "", errNegative
	}
	pad := strings.Repeat(" ", spaces)
	return pad + strings.ReplaceAll(text, "\n", "\n"+pad), nil
}

func nindented(spaces int, text string) (string, error) {
	text, err := indented(spaces, text)
	return "\n" + text, err
}
