package httpapi

import (
	"fmt"
	"net/http"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// resourceJobTemplates is the resource that all rights are about.
const resourceJobTemplates = "jobtemplates"

// Virtual subresources of a JobTemplate that rights are about. They mean nothing to the API server itself.
const (
	subresourceExecutions = "executions"
	subresourceLogs       = "logs"
)

// right is what Kubernetes RBAC has to allow a caller: a verb on a subresource of a JobTemplate, or of all of a
// namespace where template is empty. An empty subresource is the JobTemplate itself.
type right struct {
	verb, subresource   string
	namespace, template string
}

// String is the right in the words of RBAC, to be read after "can": it names all that a Role needs to grant it.
func (n right) String() string {
	resource := resourceJobTemplates
	if n.subresource != "" {
		resource += "/" + n.subresource
	}
	of := "any JobTemplate"
	if n.template != "" {
		of = fmt.Sprintf("the JobTemplate %q", n.template)
	}
	return fmt.Sprintf("%s %s (API group %s) of %s in namespace %q", n.verb, resource, dispatcherv1alpha1.GroupVersion.Group, of, n.namespace)
}

// access decides whether the caller of a request has a right.
type access interface {
	// authorize returns nil if so, else a refusal: 401 without credentials that are known, 403 without the right, 503 if
	// nobody could be asked. It costs nothing to ask twice. A handler asks before it reads the body.
	authorize(r *http.Request, need right) error

	// authorizeAbsent is for what does not exist, so that nobody knows which template it would be of. It returns nil if
	// the caller may be told so, else a refusal: anonymous callers need the right on the whole namespace, or they could
	// try out names. The template of need is not looked at.
	authorizeAbsent(r *http.Request, need right) error
}

// openAccess allows everything.
type openAccess struct{}

func (openAccess) authorize(*http.Request, right) error       { return nil }
func (openAccess) authorizeAbsent(*http.Request, right) error { return nil }
