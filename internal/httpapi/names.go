package httpapi

import (
	"net/http"
	"net/url"

	"github.com/gorilla/mux"
	"k8s.io/apimachinery/pkg/util/validation"

	"dispatcher.ivan.vc/internal/httpapi/problem"
	"dispatcher.ivan.vc/internal/httpapi/store"
)

// maxTemplateNameLength is the CRD's: a template's name is a label's value.
const maxTemplateNameLength = validation.LabelValueMaxLength

// templateOf reads the names in the path of a call about one template. A path without a namespace means
// defaultNamespace.
func templateOf(r *http.Request, defaultNamespace string) (store.Target, error) {
	refused := problem.New(problem.InvalidRequest, "invalid namespace or template name")
	named := store.Target{Namespace: defaultNamespace, Template: unescape(mux.Vars(r)["template"])}
	if escaped, ok := mux.Vars(r)["namespace"]; ok {
		named.Namespace = unescape(escaped)
		checkNamespace(refused, named.Namespace)
	}
	for _, rule := range validateTemplateName(named.Template) {
		refused.At("template", rule)
	}
	return noteTarget(r, named, refused)
}

// executionOf reads the names in the path of a call about one execution.
func executionOf(r *http.Request) (store.Target, error) {
	refused := problem.New(problem.InvalidRequest, "invalid namespace or execution name")
	named := store.Target{Namespace: unescape(mux.Vars(r)["namespace"]), Execution: unescape(mux.Vars(r)["name"])}
	checkNamespace(refused, named.Namespace)
	// The CRD's rule for the name of an execution is the same as for that of a template.
	for _, rule := range validateTemplateName(named.Execution) {
		refused.At("name", rule)
	}
	return noteTarget(r, named, refused)
}

// namespaceOf reads the name in the path of a call about a whole namespace.
func namespaceOf(r *http.Request) (store.Target, error) {
	refused := problem.New(problem.InvalidRequest, "invalid namespace name")
	named := store.Target{Namespace: unescape(mux.Vars(r)["namespace"])}
	checkNamespace(refused, named.Namespace)
	return noteTarget(r, named, refused)
}

// noteTarget returns what a request names, and notes it for the access log, unless refused has fields.
func noteTarget(r *http.Request, named store.Target, refused *problem.Problem) (store.Target, error) {
	if len(refused.Fields) > 0 {
		return store.Target{}, refused
	}
	rec := recordOf(r)
	rec.namespace, rec.template, rec.execution = named.Namespace, named.Template, named.Execution
	return named, nil
}

func checkNamespace(refused *problem.Problem, namespace string) {
	for _, rule := range validation.IsDNS1123Label(namespace) {
		refused.At("namespace", rule)
	}
}

func validateTemplateName(name string) []string {
	if len(name) > maxTemplateNameLength {
		return []string{validation.MaxLenError(maxTemplateNameLength)}
	}
	return validation.IsDNS1123Subdomain(name)
}

// unescape undoes percent-encoding. The router matches paths as they were sent, so that an encoded slash is part of a
// name, which is then refused, and not another level of the path.
func unescape(segment string) string {
	if name, err := url.PathUnescape(segment); err == nil {
		return name
	}
	return segment
}
