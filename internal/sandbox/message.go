package sandbox

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

// kind is what a request asks for.
type kind int

const (
	kindJob kind = iota + 1
	kindExamine
)

// digest tells templates, and payloads, apart.
type digest [sha256.Size]byte

// request asks a worker for a Job or for an examination. The worker sees nothing of an execution but its name, its
// payload and its caller.
type request struct {
	kind          kind
	hash          digest // of the encoded template
	template      []byte // encoded; empty where the worker is expected to know it
	name, payload string
	caller        *dispatcherv1alpha1.Caller // nil where none was recorded
}

func (r *request) frame() ([]byte, error) {
	frame := newFrame(len(r.template) + len(r.name) + len(r.payload) + 64)
	frame = appendNumber(frame, int(r.kind))
	frame = append(frame, r.hash[:]...)
	frame = appendText(frame, r.template)
	frame = appendText(frame, r.name)
	frame = appendText(frame, r.payload)
	frame = appendNumber(frame, number(r.caller != nil))
	if r.caller != nil {
		frame = appendText(frame, r.caller.Username)
		frame = appendText(frame, string(r.caller.Via))
	}
	return seal(frame)
}

func parseRequest(content []byte) (*request, error) {
	f := fields{rest: content}
	r := &request{kind: kind(f.number(int(kindExamine)))}
	f.rest = f.rest[copy(r.hash[:], f.rest):]
	r.template = f.bytes(maxFrame)
	r.name = string(f.bytes(maxFrame))
	r.payload = string(f.bytes(maxFrame))
	if f.number(1) == 1 {
		username := string(f.bytes(maxFrame))
		r.caller = &dispatcherv1alpha1.Caller{
			Username: username, Via: dispatcherv1alpha1.CallerVia(f.bytes(maxFrame)),
		}
	}
	return r, f.end()
}

// encodeTemplate returns what a worker has to know of a template. What a render does not depend on is left out: equal
// bytes are equal Jobs. The Job is encoded by protobuf, which takes a tenth of the time that JSON takes.
func encodeTemplate(template *dispatcherv1alpha1.JobTemplate) ([]byte, error) {
	job, err := template.Spec.JobTemplate.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encoding the Job of a template: %w", err)
	}
	rest := dispatcherv1alpha1.JobTemplate{
		ObjectMeta: metav1.ObjectMeta{
			Name:         template.Name,
			GenerateName: template.GenerateName,
			Namespace:    template.Namespace,
			Labels:       template.Labels,
			Annotations:  template.Annotations,
		},
		Spec: template.Spec,
	}
	rest.Spec.JobTemplate = batchv1.JobTemplateSpec{}
	rest.Spec.Suspend, rest.Spec.StartDeadlineSeconds = false, nil
	text, err := json.Marshal(&rest)
	if err != nil {
		return nil, fmt.Errorf("encoding a template: %w", err)
	}
	return append(appendText(make([]byte, 0, len(text)+len(job)+8), text), job...), nil
}

func decodeTemplate(encoded []byte) (*dispatcherv1alpha1.JobTemplate, error) {
	f := fields{rest: encoded}
	template := &dispatcherv1alpha1.JobTemplate{}
	if err := json.Unmarshal(f.bytes(maxFrame), template); err != nil {
		return nil, fmt.Errorf("decoding a template: %w", err)
	}
	template.Spec.JobTemplate = batchv1.JobTemplateSpec{}
	if err := template.Spec.JobTemplate.Unmarshal(f.rest); err != nil {
		return nil, fmt.Errorf("decoding the Job of a template: %w", err)
	}
	return template, nil
}

// answer is what a worker says to a request.
type answer struct {
	// unknown says that the request came without its template, and the worker does not know it.
	unknown bool

	errs         field.ErrorList
	warnings     []string
	usesMetadata bool
	// payloadFields are those of an examination.
	payloadFields []string

	// needsTrial is that of a render.Rendering. A worker that lies about it gains nothing: the API server judges the Job
	// in any case, if only when it is created.
	needsTrial bool

	// jobs are what the strings of each Job rendered to: one of a request for a Job, up to two of an examination, none if
	// there are errors.
	jobs [][]render.Rendered
}

// Bounds of an answer. The renderer keeps to less.
const (
	maxAnswerErrors = 100
	maxWarnings     = 10_000
	maxMessage      = 4 << 10
	maxFields       = 1000
	maxTexts        = 1 << 20
	maxJobs         = 2
)

func (a *answer) frame() ([]byte, error) {
	frame := newFrame(1 << 10)
	frame = appendNumber(frame, number(a.unknown))
	frame = appendNumber(frame, number(a.usesMetadata))
	frame = appendNumber(frame, number(a.needsTrial))
	frame = appendNumber(frame, len(a.errs))
	for _, err := range a.errs {
		frame = appendText(frame, string(err.Type))
		frame = appendText(frame, err.Field)
		frame = appendText(frame, err.Detail)
		value, quoted := err.BadValue.(string)
		_, omitted := err.BadValue.(field.OmitValueType)
		frame = appendNumber(frame, number(omitted))
		frame = appendNumber(frame, number(quoted))
		frame = appendText(frame, value)
	}
	frame = appendTexts(frame, a.warnings[:min(len(a.warnings), maxWarnings)])
	frame = appendTexts(frame, a.payloadFields)
	frame = appendNumber(frame, len(a.jobs))
	for _, texts := range a.jobs {
		frame = appendNumber(frame, len(texts))
		for _, rendered := range texts {
			frame = appendNumber(frame, number(rendered.LeftOut))
			frame = appendText(frame, rendered.Text)
		}
	}
	return seal(frame)
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// parseAnswer takes an answer apart. It trusts nothing: each part has a type and a bound.
func parseAnswer(content []byte) (*answer, error) {
	f := fields{rest: content}
	a := &answer{unknown: f.number(1) == 1, usesMetadata: f.number(1) == 1, needsTrial: f.number(1) == 1}
	for range f.number(maxAnswerErrors) {
		a.errs = append(a.errs, parseError(&f))
	}
	for _, warning := range f.texts(maxWarnings) {
		a.warnings = append(a.warnings, shortened(warning))
	}
	for _, path := range f.texts(maxFields) {
		a.payloadFields = append(a.payloadFields, shortened(path))
	}
	for range f.number(maxJobs) {
		a.jobs = append(a.jobs, parseTexts(&f))
	}
	return a, f.end()
}

// parseTexts reads what the strings of a Job rendered to. Each takes two bytes at least, so that a short frame cannot
// announce a long list.
func parseTexts(f *fields) []render.Rendered {
	n := f.number(min(maxTexts, len(f.rest)/2))
	texts := make([]render.Rendered, 0, n)
	for range n {
		texts = append(texts, render.Rendered{LeftOut: f.number(1) == 1, Text: f.text(maxFrame)})
	}
	return texts
}

// errorTypes are the types of error that a render can end with.
var errorTypes = sets.New(
	field.ErrorTypeInvalid,
	field.ErrorTypeRequired,
	field.ErrorTypeInternal,
	field.ErrorTypeForbidden,
	field.ErrorTypeTooLong,
	field.ErrorTypeTooMany,
	field.ErrorTypeNotSupported,
	field.ErrorTypeDuplicate,
	field.ErrorTypeTypeInvalid,
)

func parseError(f *fields) *field.Error {
	err := &field.Error{
		Type:   field.ErrorType(f.text(maxMessage)),
		Field:  shortened(f.text(maxFrame)),
		Detail: shortened(f.text(maxFrame)),
	}
	if f.err == nil && !errorTypes.Has(err.Type) {
		f.fail("an error has an unknown type")
	}
	omitted, quoted, value := f.number(1) == 1, f.number(1) == 1, f.text(maxFrame)
	switch {
	case omitted:
		err.BadValue = field.OmitValueType{}
	case quoted:
		err.BadValue = shortened(value)
	}
	return err
}

// shortened cuts a message that is longer than any of ours.
func shortened(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	cut := fields{rest: appendText(nil, text[:maxMessage])}
	return cut.text(maxMessage) + "..."
}
