package access

import (
	"fmt"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// resource is the resource that all rights are about.
const resource = "jobtemplates"

// Virtual subresources of a JobTemplate that rights are about. They mean nothing to the API server itself.
const (
	Executions = "executions"
	Logs       = "logs"
)

// Right is what Kubernetes RBAC has to allow a caller: a verb on a subresource of a JobTemplate, or of every
// JobTemplate of a namespace where Template is empty. An empty Subresource is the JobTemplate itself.
type Right struct {
	Verb, Subresource   string
	Namespace, Template string

	// Execution is the name of the execution that a call is about, empty where it is about none. A refusal names it in
	// place of the Template, so that it says the same whether or not the execution exists.
	Execution string
}

// String names the right in the words of RBAC, to be read after "can": it has all that a Role needs to grant it.
func (n Right) String() string {
	name := resource
	if n.Subresource != "" {
		name += "/" + n.Subresource
	}
	of := "any JobTemplate"
	switch {
	case n.Execution != "":
		of = fmt.Sprintf("the JobTemplate of the execution %q", n.Execution)
	case n.Template != "":
		of = fmt.Sprintf("the JobTemplate %q", n.Template)
	}
	return fmt.Sprintf("%s %s (API group %s) of %s in namespace %q",
		n.Verb, name, dispatcherv1alpha1.GroupVersion.Group, of, n.Namespace)
}

// On returns the same right on another template, on every one of the namespace where template is empty.
func (n Right) On(template string) Right {
	n.Template = template
	return n
}

// To returns the same right with another verb.
func (n Right) To(verb string) Right {
	n.Verb = verb
	return n
}
