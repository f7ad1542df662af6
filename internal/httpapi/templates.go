package httpapi

import (
	"net/http"

	"github.com/gorilla/mux"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/access"
)

// templates handles the calls that say what can be run.
type templates struct {
	dependencies
}

func (t *templates) register(router *mux.Router) {
	router.Handle("/templates/{namespace}", methods{http.MethodGet: t.list})
	router.Handle("/templates/{namespace}/{template}", methods{http.MethodGet: t.get})
}

// list answers with one page of the JobTemplates of a namespace, by name.
func (t *templates) list(w http.ResponseWriter, r *http.Request) error {
	named, err := namespaceOf(r)
	if err != nil {
		return err
	}
	form, err := negotiate(r, objectTypes...)
	if err != nil {
		return err
	}
	query, err := queryOf(r, "continue", "limit")
	if err != nil {
		return err
	}
	wanted, err := pageOf(query)
	if err != nil {
		return err
	}
	caller, err := t.caller(r)
	if err != nil {
		return err
	}
	if err := caller.Authorize(r.Context(), access.Right{Verb: "list", Namespace: named.Namespace}); err != nil {
		return err
	}
	if err := refuseBody(r); err != nil {
		return err
	}
	claim, err := t.memory.forList(r)
	if err != nil {
		return err
	}
	defer claim.Release()
	page, err := t.store.Templates(r.Context(), named.Namespace, wanted)
	if err != nil {
		return err
	}
	return writePage(w, form, page)
}

// get answers with one JobTemplate.
func (t *templates) get(w http.ResponseWriter, r *http.Request) error {
	named, err := templateOf(r, "")
	if err != nil {
		return err
	}
	form, err := negotiate(r, objectTypes...)
	if err != nil {
		return err
	}
	if _, err := queryOf(r); err != nil {
		return err
	}
	caller, err := t.caller(r)
	if err != nil {
		return err
	}
	need := access.Right{Verb: "get", Namespace: named.Namespace, Template: named.Template}
	if err := caller.Authorize(r.Context(), need); err != nil {
		return err
	}
	if err := refuseBody(r); err != nil {
		return err
	}
	claim, err := t.memory.forRead(r.Context(), r.RemoteAddr)
	if err != nil {
		return err
	}
	defer claim.Release()
	template, err := t.store.Template(r.Context(), named.Namespace, named.Template)
	if err != nil {
		return err
	}
	template.SetGroupVersionKind(dispatcherv1alpha1.GroupVersion.WithKind("JobTemplate"))
	template.ManagedFields = nil
	return t.writeObject(w, r, form, template, claim)
}
