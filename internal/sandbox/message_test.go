package sandbox

import (
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"dispatcher.ivan.vc/internal/render"
)

func TestAnswersKeepTheirContent(t *testing.T) {
	at := field.NewPath("spec", "jobTemplate")
	want := &answer{
		usesMetadata: true,
		needsTrial:   true,
		errs: field.ErrorList{
			field.Invalid(at, "x", "wrong"), field.Invalid(at, field.OmitValueType{}, "wrong"), field.Required(at, "missing"),
			field.InternalError(at, errStopped),
		},
		warnings: []string{"a", ""},
		jobs:     [][]render.Rendered{{{}, {Text: "x"}, {Text: "π\x00"}, {LeftOut: true}}, {}},

		payloadFields: []string{"spec.jobTemplate.metadata.labels[a]", "b"},
	}
	frame, err := want.frame()
	if err != nil {
		t.Fatal(err)
	}
	content, err := readFrame(bytes.NewReader(frame))
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseAnswer(content)
	want.errs[3].BadValue = nil // an error, which stays where it is
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(answer{})); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestLongMessagesAreCut(t *testing.T) {
	long := strings.Repeat("é", maxMessage)
	invalid := &field.Error{Type: field.ErrorTypeInvalid, Field: long, Detail: long, BadValue: long}
	a := &answer{errs: field.ErrorList{invalid}, warnings: []string{long}}
	frame, err := a.frame()
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseAnswer(frame[headerSize:])
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{got.errs[0].Field, got.errs[0].Detail, got.errs[0].BadValue.(string), got.warnings[0]} {
		if len(text) > maxMessage+10 || !utf8.ValidString(text) {
			t.Errorf("a message of %d bytes, valid: %t", len(text), utf8.ValidString(text))
		}
	}
}

func TestLargeFramesAreRefused(t *testing.T) {
	if _, err := (&request{template: make([]byte, maxFrame)}).frame(); err == nil {
		t.Error("a request of any size is sent")
	}
	header := []byte{0xff, 0xff, 0xff, 0xff}
	if _, err := readFrame(bytes.NewReader(header)); !errors.Is(err, errFrameTooLarge) {
		t.Errorf("a frame of any size is read, and ends with %v", err)
	}
	for _, announced := range []int{maxTexts, math.MaxInt} {
		f := fields{rest: appendNumber(nil, announced)}
		if texts := f.texts(maxTexts); f.err == nil || cap(texts) > 0 {
			t.Errorf("a short frame may announce a list of %d: room for %d, %v", announced, cap(texts), f.err)
		}
	}
}

// TestFramesThatEndEarly: only where a frame would begin may the requests of a worker end.
func TestFramesThatEndEarly(t *testing.T) {
	frame, err := (&answer{jobs: [][]render.Rendered{{{Text: "x"}}}}).frame()
	if err != nil {
		t.Fatal(err)
	}
	for n := range frame {
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		if _, err := readFrame(bytes.NewReader(frame[:n])); err != want { //nolint:errorlint // The very one ends a worker.
			t.Errorf("after %d of %d bytes: %v, want %v", n, len(frame), err, want)
		}
	}
}

// TestAnswersThatEndEarly: what is left of an answer is none, and takes nobody down.
func TestAnswersThatEndEarly(t *testing.T) {
	frame, err := (&answer{
		errs:     field.ErrorList{field.Invalid(jobTemplatePath, "value", "detail")},
		warnings: []string{"warning"},
		jobs:     [][]render.Rendered{{{Text: "text"}}, {{Text: "another"}}},
	}).frame()
	if err != nil {
		t.Fatal(err)
	}
	content := frame[headerSize:]
	for n := range content {
		if a, err := parseAnswer(slices.Clip(content[:n])); err == nil {
			t.Errorf("%d of %d bytes are taken for %+v", n, len(content), a)
		}
	}
}

// TestAnswersAreBounded: a worker cannot make the manager keep more than the renderer would say.
func TestAnswersAreBounded(t *testing.T) {
	invalid := field.Invalid(jobTemplatePath, field.OmitValueType{}, "x")
	warnings := appendTexts(append(newFrame(0), 0, 0, 0), make([]string, maxWarnings+1))
	for reason, content := range map[string][]byte{
		"errors": contentOf(t, &answer{errs: slices.Repeat(field.ErrorList{invalid}, maxAnswerErrors+1)}),
		"Jobs":   contentOf(t, &answer{jobs: make([][]render.Rendered, maxJobs+1)}),
		"texts":  contentOf(t, &answer{jobs: [][]render.Rendered{make([]render.Rendered, maxTexts+1)}}),
		// The manager's own code sends no more of these, so the answer is made by hand.
		"warnings": append(warnings, 0)[headerSize:],
	} {
		if _, err := parseAnswer(content); err == nil {
			t.Errorf("any number of %s is taken", reason)
		}
	}
	many := &answer{warnings: make([]string, maxWarnings+1)}
	if got, err := parseAnswer(contentOf(t, many)); err != nil || len(got.warnings) != maxWarnings {
		t.Errorf("too many warnings of an honest worker: %v", err)
	}
}

func contentOf(t *testing.T, a *answer) []byte {
	t.Helper()
	frame, err := a.frame()
	if err != nil {
		t.Fatal(err)
	}
	return frame[headerSize:]
}

// TestTextsAreUTF8: what goes into a Job or an error can be encoded.
func TestTextsAreUTF8(t *testing.T) {
	a, err := parseAnswer(contentOf(t, &answer{
		errs: field.ErrorList{field.Invalid(jobTemplatePath, "\xff", "\xff")}, warnings: []string{"\xff"}, jobs: [][]render.Rendered{{{Text: "\xff"}}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{a.errs[0].Detail, a.errs[0].BadValue.(string), a.warnings[0], a.jobs[0][0].Text} {
		if !utf8.ValidString(text) {
			t.Errorf("%q is no UTF-8", text)
		}
	}
}

// FuzzAnswer takes apart what a worker could say. What is taken for an answer is within its bounds, and is the same
// again when it is sent on.
func FuzzAnswer(f *testing.F) {
	for _, a := range []*answer{
		{}, {unknown: true}, {jobs: [][]render.Rendered{{{Text: "x"}}}}, {warnings: []string{"w"}},
		{errs: field.ErrorList{field.Invalid(jobTemplatePath, "x", "y"), field.InternalError(jobTemplatePath, errStopped)}},
	} {
		frame, err := a.frame()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame[headerSize:])
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		a, err := parseAnswer(content)
		if err != nil {
			return
		}
		if len(a.errs) > maxAnswerErrors || len(a.jobs) > maxJobs || len(a.warnings) > maxWarnings {
			t.Errorf("%d errors, %d Jobs, %d warnings", len(a.errs), len(a.jobs), len(a.warnings))
		}
		frame, err := a.frame()
		if err != nil {
			return
		}
		again, err := parseAnswer(frame[headerSize:])
		if diff := cmp.Diff(a, again, cmp.AllowUnexported(answer{})); diff != "" || err != nil {
			t.Errorf("%v (-first +second):\n%s", err, diff)
		}
	})
}
