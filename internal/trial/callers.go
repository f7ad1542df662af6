package trial

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

// ErrorsForCallers returns why the API server calls a Job invalid, as errors of its template's fields. They are for
// those who may run the template, or read an execution of it, and need not be allowed to read the template: they quote
// nothing of what it rendered to. They are empty if refused, the API server's answer, names no field.
func ErrorsForCallers(job *batchv1.Job, refused error) field.ErrorList {
	var status apierrors.APIStatus
	if !errors.As(refused, &status) || status.Status().Details == nil {
		return nil
	}
	causes := status.Status().Details.Causes
	causes = located(job, causes[:min(len(causes), maxCauses)])
	var errs field.ErrorList
	for _, cause := range causes {
		err := templateError(job, cause)
		err.Detail = abridged(withoutValue(err.Type, cause.Message))
		if !slices.ContainsFunc(errs, func(other *field.Error) bool { return *other == *err }) {
			errs = append(errs, err)
		}
	}
	return errs
}

// hasValue are the types of errors whose message begins with the bad value: see field.Error's ErrorBody.
var hasValue = map[field.ErrorType]bool{
	field.ErrorTypeInvalid:      true,
	field.ErrorTypeTypeInvalid:  true,
	field.ErrorTypeNotSupported: true,
	field.ErrorTypeNotFound:     true,
	field.ErrorTypeDuplicate:    true,
	field.ErrorTypeTooMany:      true,
	field.ErrorTypeTooFew:       true,
}

// withoutValue returns what the message of a cause says of the bad value, without the value and what it repeats of it.
// It returns nothing where it cannot tell one from the other.
func withoutValue(errorType field.ErrorType, message string) string {
	detail, found := strings.CutPrefix(message, errorType.String())
	if !found {
		return ""
	}
	detail = strings.TrimPrefix(detail, ": ")
	if !hasValue[errorType] {
		return detail
	}
	value, rest, ok := cutValue(detail)
	if !ok {
		return ""
	}
	if errorType == field.ErrorTypeNotSupported {
		return rest // It lists the values that are supported.
	}
	return withoutQuotesOf(value, rest)
}

// cutValue splits a detail into the value that it begins with, which is JSON or a text in Go's quotes, and the rest.
func cutValue(detail string) (value, rest string, ok bool) {
	if quoted, err := strconv.QuotedPrefix(detail); err == nil && quoted[0] == '"' {
		value, _ = strconv.Unquote(quoted)
		rest = detail[len(quoted):]
	} else {
		decoder := json.NewDecoder(strings.NewReader(detail))
		if err := decoder.Decode(new(json.RawMessage)); err != nil {
			return "", "", false
		}
		value, rest = detail[:decoder.InputOffset()], detail[decoder.InputOffset():]
	}
	if rest == "" {
		return value, "", true
	}
	rest, ok = strings.CutPrefix(rest, ": ")
	return value, rest, ok
}

// shortValue is up to where a value is taken for a word of the sentence where that repeats it without quotes.
const shortValue = 3

// withoutQuotesOf replaces what a text repeats of value: parts of it in quotes, and all of it.
func withoutQuotesOf(value, text string) string {
	var kept strings.Builder
	for {
		before, after, found := strings.Cut(text, `"`)
		kept.WriteString(before)
		if !found {
			break
		}
		quoted, err := strconv.QuotedPrefix(`"` + after)
		if err != nil {
			break // There is no end: nothing after it is kept.
		}
		if part, _ := strconv.Unquote(quoted); strings.Contains(value, part) {
			kept.WriteString(`"..."`)
		} else {
			kept.WriteString(quoted)
		}
		text = after[len(quoted)-1:]
	}
	if len(value) <= shortValue {
		return kept.String()
	}
	return strings.ReplaceAll(kept.String(), value, "...")
}

// located returns causes with the paths of the fields that they are about, where the API server names only a list or a
// map that has them. A label that it adds has the name of the Job.
func located(job *batchv1.Job, causes []metav1.StatusCause) []metav1.StatusCause {
	if job == nil {
		return causes
	}
	values := make([]string, 0, len(causes))
	for _, cause := range causes {
		if value := invalidValue(cause); value != "" {
			values = append(values, value)
		}
	}
	found := render.FindStrings(job, values)
	seen := map[metav1.StatusCause]int{}
	causes = slices.Clone(causes)
	for i, cause := range causes {
		value := invalidValue(cause)
		if value == "" {
			continue
		}
		fields := slices.DeleteFunc(found.At(cause.Field, value), isOwnLabel)
		// Where two fields have the same value, there are as many causes.
		switch n := seen[cause]; {
		case n < len(fields):
			causes[i].Field = fields[n]
		case value == job.Name && strings.HasSuffix(cause.Field, "labels"):
			causes[i].Field = "metadata.name"
		}
		seen[cause]++
	}
	return causes
}

// invalidValue returns the value that a cause calls invalid, or nothing.
func invalidValue(cause metav1.StatusCause) string {
	detail, found := strings.CutPrefix(cause.Message, field.ErrorTypeInvalid.String()+": ")
	if !found {
		return ""
	}
	value, _, _ := cutValue(detail)
	return value
}

// isOwnLabel says whether a field is a label of Dispatcher.
func isOwnLabel(path string) bool {
	return strings.Contains(path, "["+dispatcherv1alpha1.GroupVersion.Group+"/")
}
