package gotemplate

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/template/parse"
	"unicode/utf8"
)

// Error says what is wrong with a template, or with what it was given.
type Error struct {
	// Source is the number of the template among the sources, or -1 if the error stands for all of them.
	Source int
	// Message says what is wrong, and where in the text of the template.
	Message string
	// Excerpt is what to quote of the template: the line that is wrong, or the part of it around the place. It is empty
	// if the error is not about one template.
	Excerpt string
	// Redacted is Message without what the template contains as constants, for whoever may run the template and need
	// not be allowed to read it. What a template says by fail or required is for them.
	Redacted string
	// Retryable says that the error may go away by itself: the render was stopped because its caller gave up or
	// because the machine was too slow. All other errors are the template's or the data's and come again each time.
	Retryable bool
}

func (e Error) Error() string { return e.Message }

const (
	// maxErrors is how many errors of one set are reported. One more stands for those that are not.
	maxErrors = 50
	// maxErrorsOfSource is how many errors of one template are reported when it is compiled. One more stands for those
	// that are not.
	maxErrorsOfSource = 5
)

var tooManyErrors = newError(-1, "has more errors than are listed here")

// newError returns an error that quotes nothing.
func newError(source int, message string) Error {
	return Error{Source: source, Message: message, Redacted: message}
}

var errUTF8 = errors.New("the template is not valid UTF-8")

// ends says whether err ends the whole render: it would be the same for each further template.
func ends(err error) bool {
	_, limit := errors.AsType[*limitError](err)
	_, stopped := errors.AsType[*stoppedError](err)
	return limit || stopped
}

// renderError is err, from rendering the i-th source.
func renderError(i int, text string, err error, hint string) Error {
	if stopped, ok := errors.AsType[*stoppedError](err); ok {
		retryable := newError(i, stopped.cause.Error())
		retryable.Excerpt = Excerpt(text, 0)
		retryable.Retryable = true
		return retryable
	}
	message, at := explain(text, err, hint, nil)
	redacted, _ := explain(text, err, hint, new(newRedactor(text)))
	return Error{Source: i, Message: message, Redacted: redacted, Excerpt: Excerpt(text, at)}
}

// explain says what went wrong in text, without the words that text/template puts around it:
// template: NAME:LINE:COLUMN: executing NAME at <CONTEXT>: MESSAGE. With a redactor, it hides the constants of text. It
// also returns the offset in text where it went wrong.
func explain(text string, err error, hint string, redact *redactor) (message string, at int) {
	location, rest, _ := strings.Cut(err.Error(), ": executing ")
	_, rest, _ = strings.Cut(rest, `" at <`)
	context, message, ok := strings.Cut(rest, ">: ")
	if !ok {
		message = err.Error()
		if redact != nil {
			message = redact.message(message)
		}
		return Abridge(message), 0
	}
	context = withoutFieldCalls(context)
	at = offset(text, location)
	action := actionAt(text, at)
	if redact != nil {
		context, action = redact.action(context), redact.action(action)
		if !saidByTemplate(message) {
			message = redact.message(message)
		}
	}
	message, missing := cause(err, message, context, Abridge(action))
	if missing && hint != "" {
		message += ": " + hint
	}
	message = Position(text, at) + Abridge(message)
	if isWord(action) && wrongArguments.MatchString(err.Error()) {
		message += literalBraces
	}
	return message, at
}

// saidByTemplate says whether a message is what the template itself says to its callers.
func saidByTemplate(message string) bool {
	return strings.HasPrefix(message, "error calling fail: ") || strings.HasPrefix(message, "error calling required: ")
}

// actionAt returns the action of text that offset at is in, without its braces.
func actionAt(text string, at int) string {
	start := max(strings.LastIndex(text[:at], "{{"), 0)
	end := strings.Index(text[at:], "}}")
	if end < 0 {
		end = len(text) - at
	}
	return strings.Trim(text[start:at+end], "{}- \t\n")
}

// noPosition is the position of a problem whose message already says where it is, or of which only the string is known.
const noPosition parse.Pos = -1

// Position names the place of an offset in text, like "line 2, column 5: ". The line is left out where there is but
// one.
func Position(text string, offset int) string {
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

// offset is the opposite of Position, for text/template's NAME:LINE:COLUMN. Its lines count from 1, its columns from 0.
func offset(text, location string) int {
	parts := strings.Split(location, ":")
	if len(parts) < 3 {
		return 0
	}
	line, _ := strconv.Atoi(parts[len(parts)-2])
	column, _ := strconv.Atoi(parts[len(parts)-1])
	at := 0
	for range line - 1 {
		at += strings.Index(text[at:], "\n") + 1
	}
	return min(at+column, len(text))
}

// maxQuoted is how many bytes of a template or of a message an error holds.
const maxQuoted = 256

// Abridge shortens text for an error, and makes it valid UTF-8.
func Abridge(text string) string {
	if len(text) <= maxQuoted {
		return strings.ToValidUTF8(text, "\uFFFD")
	}
	return strings.ToValidUTF8(text[:maxQuoted], "") + "..."
}
