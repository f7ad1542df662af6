package httpapi

import (
	"context"
	"net/http"

	"github.com/gorilla/mux"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
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
	if err := t.access.authorize(r, right{"list", "", named.namespace, ""}); err != nil {
		return err
	}
	page, err := readPage(r.Context(), t.apiServer, resourceTemplates, named, wanted, func(template *dispatcherv1alpha1.JobTemplate) bool {
		template.ManagedFields = nil
		return true
	})
	if err != nil {
		return err
	}
	return writeObject(w, form, http.StatusOK, page)
}

// get answers with one JobTemplate.
func (t *templates) get(w http.ResponseWriter, r *http.Request) error {
	named, err := targetOf(r, "")
	if err != nil {
		return err
	}
	noteTarget(r, named)
	form, err := negotiate(r, objectTypes...)
	if err != nil {
		return err
	}
	if _, err := queryOf(r); err != nil {
		return err
	}
	if err := t.access.authorize(r, right{"get", "", named.namespace, named.template}); err != nil {
		return err
	}
	template, err := t.apiServer.getTemplate(context.WithoutCancel(r.Context()), named.namespace, named.template)
	if err != nil {
		return translateCall(err, named)
	}
	template.SetGroupVersionKind(dispatcherv1alpha1.GroupVersion.WithKind("JobTemplate"))
	template.ManagedFields = nil
	return writeObject(w, form, http.StatusOK, template)
}
