package httpapi

import (
	"net/http"
	"strings"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// entityTag names one state of an execution in one form (RFC 9110, section 8.8.3). It is strong, since the same state
// in the same form is the same bytes.
func entityTag(execution *dispatcherv1alpha1.JobExecution, form mediaType) string {
	_, suffix, _ := strings.Cut(string(form), "/")
	return `"` + string(execution.UID) + "." + execution.ResourceVersion + "." + suffix + `"`
}

// matches tells whether the caller has the state of a tag already, by its If-None-Match (RFC 9110, section 13.1.2).
func matches(r *http.Request, tag string) bool {
	known := strings.TrimSpace(strings.Join(r.Header.Values("If-None-Match"), ","))
	if known == "*" {
		return true
	}
	for known != "" {
		known = strings.TrimLeft(known, " \t,")
		// The comparison is the weak one: it passes over W/.
		opaque, quoted := strings.CutPrefix(strings.TrimPrefix(known, "W/"), `"`)
		end := strings.IndexByte(opaque, '"')
		if !quoted || end < 0 {
			return false // This is no entity tag, and where the next one begins is unknown.
		}
		if `"`+opaque[:end]+`"` == tag {
			return true
		}
		known = opaque[end+1:]
	}
	return false
}
