package httpapi

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// maxWrongParameters is how many wrong parameters a refusal names. It would be many times as long as the query.
const maxWrongParameters = 10

// queryOf reads the query parameters of a call that knows some. One that it does not know is refused and not skipped,
// because a caller may depend on it, and so is one that is given twice.
func queryOf(r *http.Request, known ...string) (map[string]string, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, problem.New(problem.InvalidRequest,
			"invalid query: percent-encode everything but letters, digits, '-', '.', '_' and '~'").
			Because(err)
	}
	takes := "this call takes no query parameters"
	switch {
	case len(known) == 1:
		takes = "this call takes only the query parameter " + known[0]
	case len(known) > 1:
		takes = "this call takes only the query parameters " + strings.Join(known, ", ")
	}
	refused := problem.New(problem.InvalidRequest, "%s", takes)
	parameters := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if len(refused.Fields) == maxWrongParameters {
			break
		}
		switch {
		case !slices.Contains(known, name):
			refused.At(name, "unknown query parameter")
		case len(values[name]) > 1:
			refused.At(name, "must be given once")
		default:
			parameters[name] = values[name][0]
		}
	}
	if len(refused.Fields) > 0 {
		return nil, refused
	}
	return parameters, nil
}

// refuseParameter is for a query parameter whose value cannot be used.
func refuseParameter(name, rule string) *problem.Problem {
	refused := problem.New(problem.InvalidRequest, "invalid query parameter %s", name)
	refused.At(name, rule)
	return refused
}
