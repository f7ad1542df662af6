package trial

import (
	"encoding/json"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"dispatcher.ivan.vc/internal/render"
)

const (
	// maxCauses bounds the errors, and maxDetail each one's detail, in bytes. An answer may quote megabytes.
	maxCauses = 100
	maxDetail = 1 << 10
)

// templateErrors returns the causes of a refused Job as errors of its template's fields.
func templateErrors(job *batchv1.Job, status metav1.Status) field.ErrorList {
	if status.Details == nil || len(status.Details.Causes) == 0 {
		return field.ErrorList{templateError(job, metav1.StatusCause{Message: status.Message})}
	}
	causes := located(job, status.Details.Causes[:min(len(status.Details.Causes), maxCauses)])
	errs := make(field.ErrorList, 0, len(causes))
	for _, cause := range causes {
		errs = append(errs, templateError(job, cause))
	}
	return errs
}

// templateError returns an error that prints as the cause does, but for the middle of a long one. A cause's message
// begins with its type and the bad value (see field.Error's ErrorBody): the type is removed, the value stays in the
// detail.
func templateError(job *batchv1.Job, cause metav1.StatusCause) *field.Error {
	err := &field.Error{
		Type:     field.ErrorType(cause.Type),
		Field:    render.TemplatePath(job, cause.Field),
		BadValue: field.OmitValueType{},
		Detail:   cause.Message,
	}
	if !fieldErrorTypes[err.Type] {
		err.Type = field.ErrorTypeInvalid
	}
	if detail, found := strings.CutPrefix(cause.Message, err.Type.String()); found {
		err.Detail = withShortValue(strings.TrimPrefix(detail, ": "))
	}
	err.Detail = abridged(err.Detail)
	return err
}

// abridged leaves out the middle of a long text: at its beginning is the value, and at its end what is wrong with it.
func abridged(text string) string {
	if len(text) <= maxDetail {
		return text
	}
	beginning, end := text[:maxDetail/2], text[len(text)-maxDetail/2:]
	return strings.ToValidUTF8(beginning, "") + "..." + strings.ToValidUTF8(end, "")
}

// maxValue is how many bytes of a bad value an error quotes. A value may be a script or a large annotation.
const maxValue = 100

// withShortValue shortens the bad value at the beginning of a detail, which is a text in quotes or JSON.
func withShortValue(detail string) string {
	if quoted, err := strconv.QuotedPrefix(detail); err == nil {
		value, _ := strconv.Unquote(quoted)
		return strconv.Quote(shortened(value)) + detail[len(quoted):]
	}
	if strings.HasPrefix(detail, "{") || strings.HasPrefix(detail, "[") {
		decoder := json.NewDecoder(strings.NewReader(detail))
		if err := decoder.Decode(new(json.RawMessage)); err == nil {
			end := decoder.InputOffset()
			return shortened(detail[:end]) + detail[end:]
		}
	}
	return detail
}

// shortened returns the beginning of a text that has more than maxValue bytes.
func shortened(text string) string {
	if len(text) <= maxValue {
		return text
	}
	return strings.ToValidUTF8(text[:maxValue], "") + "..."
}

// fieldErrorTypes are the types that field.Error can print. Causes may have others, for example of admission
// policies.
var fieldErrorTypes = map[field.ErrorType]bool{
	field.ErrorTypeNotFound:     true,
	field.ErrorTypeRequired:     true,
	field.ErrorTypeDuplicate:    true,
	field.ErrorTypeInvalid:      true,
	field.ErrorTypeNotSupported: true,
	field.ErrorTypeForbidden:    true,
	field.ErrorTypeTooLong:      true,
	field.ErrorTypeTooMany:      true,
	field.ErrorTypeTooFew:       true,
	field.ErrorTypeTooShort:     true,
	field.ErrorTypeInternal:     true,
	field.ErrorTypeTypeInvalid:  true,
}
