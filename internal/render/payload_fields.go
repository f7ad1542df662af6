package render

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// PayloadFields are the paths of the strings of a template that the payload can change.
type PayloadFields []string

// maxPayloadFields bounds PayloadFields. More of them stand as the whole Job.
const maxPayloadFields = 1000

// payloadFields returns the strings of the program that the payload can change.
func (p *program) payloadFields() PayloadFields {
	var fields PayloadFields
	for _, s := range p.strings {
		if !s.usesPayload {
			continue
		}
		if len(fields) == maxPayloadFields {
			return PayloadFields{jobTemplatePath.String()}
		}
		fields = append(fields, s.path.String())
	}
	return fields
}

// MayHelp says whether another payload could make one of errs go away: the payload can change the field itself,
// something in it, or the name that it refers to.
func (f PayloadFields) MayHelp(errs field.ErrorList) bool {
	return slices.ContainsFunc(errs, f.mayHelp)
}

func (f PayloadFields) mayHelp(err *field.Error) bool {
	for _, path := range f {
		switch {
		case contains(err.Field, path), contains(path, err.Field):
			return true
		case err.Type == field.ErrorTypeNotFound && strings.HasSuffix(path, "].name") && !strings.Contains(path, ".env["):
			return true // Such as that of a volume.
		}
	}
	return false
}

// contains says whether the field at inner is the one at outer, or in it.
func contains(outer, inner string) bool {
	rest, found := strings.CutPrefix(inner, outer)
	return found && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
