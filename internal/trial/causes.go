package trial

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"dispatcher.ivan.vc/internal/render"
)

// templateErrors returns the causes of a refused Job as errors of its template's fields.
func templateErrors(status metav1.Status) field.ErrorList {
	if status.Details == nil || len(status.Details.Causes) == 0 {
		return field.ErrorList{templateError(metav1.StatusCause{Message: status.Message})}
	}
	errs := make(field.ErrorList, 0, len(status.Details.Causes))
	for _, cause := range status.Details.Causes {
		errs = append(errs, templateError(cause))
	}
	return errs
}

// templateError returns an error that prints as the cause does. A cause's message begins with its type and the bad
// value (see field.Error's ErrorBody): the type is removed, the value stays in the detail.
func templateError(cause metav1.StatusCause) *field.Error {
	err := &field.Error{
		Type:     field.ErrorType(cause.Type),
		Field:    render.TemplatePath(cause.Field),
		BadValue: field.OmitValueType{},
		Detail:   cause.Message,
	}
	if !fieldErrorTypes[err.Type] {
		err.Type = field.ErrorTypeInvalid
	}
	if detail, found := strings.CutPrefix(cause.Message, err.Type.String()); found {
		err.Detail = strings.TrimPrefix(detail, ": ")
	}
	return err
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
