package render

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"text/template/parse"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

var errUTF8 = errors.New("what it renders is not valid UTF-8: trunc, substr and the like cut between bytes, not between characters")

// Retryable says whether errs may go away by themselves: the render was stopped because its caller gave up or because the
// machine was too slow. All other errors are the template's or the payload's, and come again each time.
func Retryable(errs field.ErrorList) bool {
	for _, err := range errs {
		if err.Type == field.ErrorTypeInternal {
			return true
		}
	}
	return false
}

// ends says whether err ends the whole render: it would be the same for each further string.
func ends(err error) bool {
	_, limit := errors.AsType[*limitError](err)
	_, stopped := errors.AsType[*stoppedError](err)
	return limit || stopped
}

// renderError is err, from rendering s, at the path of s.
func renderError(s templated, err error, hint string) *field.Error {
	if stopped, ok := errors.AsType[*stoppedError](err); ok {
		return field.InternalError(s.path, stopped.cause)
	}
	return field.Invalid(s.path, abridged(s.text), explain(s.text, err, hint))
}

// execError takes text/template's errors apart: template: NAME:LINE:COLUMN: executing NAME at <CONTEXT>: MESSAGE.
var execError = regexp.MustCompile(`(?s)^template: s\d+:(\d+):(\d+): executing "(?:[^"\\]|\\.)*" at <(.*?)>: (.*)$`)

// explain says what went wrong in text, without the words that text/template puts around it.
func explain(text string, err error, hint string) string {
	if limit, ok := errors.AsType[*limitError](err); ok {
		return limit.Error()
	}
	parts := execError.FindStringSubmatch(err.Error())
	if parts == nil {
		return abridged(err.Error())
	}
	line, _ := strconv.Atoi(parts[1])
	column, _ := strconv.Atoi(parts[2])
	at := offset(text, line, column)
	context, message := parts[3], parts[4]
	message = strings.TrimPrefix(message, "error calling "+emitFunction+": ")
	message = strings.TrimPrefix(message, "error calling ")
	switch {
	case errors.Is(err, errMissing):
		message = actionAt(text, at) + " has no value" + withHint(hint)
	case strings.HasPrefix(message, "invalid value; expected "):
		message = missingArgument(text, at, context) + withHint(hint)
	case strings.HasPrefix(message, "nil pointer evaluating "):
		_, name, _ := strings.Cut(message[len("nil pointer evaluating "):], ".")
		message = context + " has no value: what should have ." + name + " is null" + withHint(hint)
	}
	return position(text, at) + abridged(message)
}

// missingArgument says which argument of a function has no value. Where it came through a pipe, only the pipe is known.
func missingArgument(text string, at int, context string) string {
	if strings.ContainsAny(context, ".$(") {
		return context + " has no value"
	}
	return actionAt(text, at) + " has no value to give to " + context
}

func withHint(hint string) string {
	if hint == "" {
		return ""
	}
	return ": " + hint
}

// actionAt returns the action of text that offset at is in, without its braces.
func actionAt(text string, at int) string {
	start := max(strings.LastIndex(text[:at], "{{"), 0)
	end := strings.Index(text[at:], "}}")
	if end < 0 {
		end = len(text) - at
	}
	return abridged(strings.Trim(text[start:at+end], "{}- \t\n"))
}

// parseProblem takes the parser's errors apart: template: :LINE: MESSAGE.
func parseProblem(text string, err error) problem {
	message := strings.TrimPrefix(err.Error(), "template: :")
	number, rest, _ := strings.Cut(message, ": ")
	line, numberErr := strconv.Atoi(number)
	if numberErr != nil {
		return problem{message: abridged(message)}
	}
	rest = strings.TrimPrefix(rest, "template: ")
	rest = regexp.MustCompile(` started at :(\d+)`).ReplaceAllString(rest, " that started in line $1")
	if strings.Contains(text, "\n") {
		rest = fmt.Sprintf("line %d: %s", line, rest)
	}
	return problem{pos: noPosition, message: abridged(rest)}
}

// noPosition is the position of a problem whose message already says where it is, or of which only the string is known.
const noPosition parse.Pos = -1

// position names the place of an offset in text, like "line 2, column 5: ". The line is left out where there is but one.
func position(text string, offset int) string {
	if offset < 0 || offset > len(text) {
		return ""
	}
	before := text[:offset]
	column := utf8.RuneCountInString(before[strings.LastIndex(before, "\n")+1:]) + 1
	if !strings.Contains(text, "\n") {
		return fmt.Sprintf("column %d: ", column)
	}
	return fmt.Sprintf("line %d, column %d: ", strings.Count(before, "\n")+1, column)
}

// offset is the opposite of position, for text/template's lines, which count from 1, and columns, which count from 0.
func offset(text string, line, column int) int {
	at := 0
	for range line - 1 {
		at += strings.Index(text[at:], "\n") + 1
	}
	return min(at+column, len(text))
}

// maxQuoted is how many bytes of a template or of a message an error holds.
const maxQuoted = 200

// abridged shortens text for an error.
func abridged(text string) string {
	if len(text) <= maxQuoted {
		return strings.ToValidUTF8(text, "\uFFFD")
	}
	return strings.ToValidUTF8(text[:maxQuoted], "") + "..."
}
