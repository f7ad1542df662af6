package httpapi

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gorilla/mux"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/validation"
)

const (
	// maxTemplateNameLength is the CRD's: a template's name is a label's value.
	maxTemplateNameLength = validation.LabelValueMaxLength

	// nameSuffixLength is the length of the random end of an execution's name.
	nameSuffixLength = 10

	// maxNameLength is that of an execution's name: its Job takes it.
	maxNameLength = validation.DNS1123LabelMaxLength
)

// target is what a request's path names.
type target struct {
	namespace, template string

	// execution is empty in the path of a call that names none.
	execution string
}

// targetOf reads the names in a request's path. A path without a namespace means defaultNamespace.
func targetOf(r *http.Request, defaultNamespace string) (target, error) {
	refused := refuse(reasonInvalidRequest, "the path names no possible JobTemplate")
	named := target{namespace: defaultNamespace}
	if escaped, ok := mux.Vars(r)["namespace"]; ok {
		named.namespace = unescape(escaped)
		for _, rule := range validation.IsDNS1123Label(named.namespace) {
			refused.at("namespace", rule)
		}
	}
	named.template = unescape(mux.Vars(r)["template"])
	for _, rule := range validateTemplateName(named.template) {
		refused.at("template", rule)
	}
	if len(refused.errors) > 0 {
		return target{}, refused
	}
	return named, nil
}

// executionOf reads the names in the path of a call about one execution.
func executionOf(r *http.Request) (target, error) {
	named := target{namespace: unescape(mux.Vars(r)["namespace"]), execution: unescape(mux.Vars(r)["name"])}
	refused := refuse(reasonInvalidRequest, "the path names no possible JobExecution")
	for _, rule := range validation.IsDNS1123Label(named.namespace) {
		refused.at("namespace", rule)
	}
	// The CRD's rule for the name of an execution is the same as for that of a template.
	for _, rule := range validateTemplateName(named.execution) {
		refused.at("name", rule)
	}
	if len(refused.errors) > 0 {
		return target{}, refused
	}
	noteTarget(r, named)
	return named, nil
}

// namespaceOf reads the name in the path of a call about a whole namespace.
func namespaceOf(r *http.Request) (target, error) {
	named := target{namespace: unescape(mux.Vars(r)["namespace"])}
	refused := refuse(reasonInvalidRequest, "the path names no possible namespace")
	for _, rule := range validation.IsDNS1123Label(named.namespace) {
		refused.at("namespace", rule)
	}
	if len(refused.errors) > 0 {
		return target{}, refused
	}
	noteTarget(r, named)
	return named, nil
}

// unescape undoes percent-encoding. The router matches paths as they were sent, so that an encoded slash is part of a
// name, which is then refused, and not another level of the path.
func unescape(segment string) string {
	if name, err := url.PathUnescape(segment); err == nil {
		return name
	}
	return segment
}

func validateTemplateName(name string) []string {
	if len(name) > maxTemplateNameLength {
		return []string{validation.MaxLenError(maxTemplateNameLength)}
	}
	return validation.IsDNS1123Subdomain(name)
}

// newExecutionName returns a name for an execution of template. It is ours to choose, and not the API server's: an
// object whose create was not answered can be looked up only by a name that is known.
func newExecutionName(template string) string {
	return executionName(template, rand.String(nameSuffixLength))
}

// executionName is as much of the template's name as there is room for, and suffix.
func executionName(template, suffix string) string {
	prefix := template[:min(len(template), maxNameLength-1-len(suffix))]
	return strings.TrimRight(prefix, "-.") + "-" + suffix
}
