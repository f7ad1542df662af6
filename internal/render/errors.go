package render

import (
	"errors"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"dispatcher.ivan.vc/internal/gotemplate"
)

// redactedErrors is fieldErrors with messages that hide the constants of the template: who may run a template need not
// be allowed to read it. The values that errors quote are removed by withoutValues, together with those of other
// errors.
func (p *program) redactedErrors(problems []gotemplate.Error) field.ErrorList {
	redacted := make([]gotemplate.Error, 0, len(problems))
	for _, problem := range problems {
		problem.Message = problem.Redacted
		redacted = append(redacted, problem)
	}
	return p.fieldErrors(redacted)
}

// fieldErrors returns problems at the paths of the strings that have them, for the author of the template. Each quotes
// the line that is wrong, but no line is quoted twice in a row.
func (p *program) fieldErrors(problems []gotemplate.Error) field.ErrorList {
	var errs field.ErrorList
	var before gotemplate.Error
	for _, problem := range problems {
		switch {
		case problem.Source < 0:
			errs = append(errs, field.Invalid(jobTemplatePath, field.OmitValueType{}, problem.Message))
		case problem.Retryable:
			errs = append(errs, field.InternalError(p.strings[problem.Source].path, errors.New(problem.Message)))
		default:
			var quoted any = problem.Excerpt
			if problem.Excerpt == "" || problem.Source == before.Source && problem.Excerpt == before.Excerpt {
				quoted = field.OmitValueType{}
			}
			errs = append(errs, field.Invalid(p.strings[problem.Source].path, quoted, problem.Message))
		}
		before = problem
	}
	return errs
}

// Retryable says whether errs may go away by themselves: the render was stopped because its caller gave up or because
// the machine was too slow. All other errors are the template's or the payload's and come again each time, so that
// one of them is enough.
func Retryable(errs field.ErrorList) bool {
	for _, err := range errs {
		if err.Type != field.ErrorTypeInternal {
			return false
		}
	}
	return len(errs) > 0
}

// withoutValues returns errs without the values that they quote: a template, or what was rendered.
func withoutValues(errs field.ErrorList) field.ErrorList {
	var redacted field.ErrorList
	for _, err := range errs {
		copied := *err
		copied.BadValue = field.OmitValueType{}
		redacted = append(redacted, &copied)
	}
	return redacted
}
