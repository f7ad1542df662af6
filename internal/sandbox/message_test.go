package sandbox

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestAnswersKeepTheirContent(t *testing.T) {
	at := field.NewPath("spec", "jobTemplate")
	want := &answer{
		usesMetadata: true,
		errs: field.ErrorList{
			field.Invalid(at, "x", "wrong"), field.Invalid(at, field.OmitValueType{}, "wrong"), field.Required(at, "missing"),
			field.InternalError(at, errStopped),
		},
		warnings: []string{"a", ""},
		jobs:     [][]string{{"", "x", "π\x00"}, {}},
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
	if _, err := readFrame(bytes.NewReader(header)); err == nil {
		t.Error("a frame of any size is read")
	}
	f := fields{rest: appendNumber(nil, math.MaxInt)}
	if f.texts(maxTexts); f.err == nil {
		t.Error("a short frame may announce a long list")
	}
}

// FuzzAnswer takes apart what a worker could say. What is taken for an answer is within its bounds, and is the same
// again when it is sent on.
func FuzzAnswer(f *testing.F) {
	for _, a := range []*answer{
		{}, {unknown: true}, {jobs: [][]string{{"x"}}}, {warnings: []string{"w"}},
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
