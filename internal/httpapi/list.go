package httpapi

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/access"
	"dispatcher.ivan.vc/internal/httpapi/store"
)

// States of an execution, as the parameter state of a list has them.
const (
	stateWaiting   = "waiting"
	stateRunning   = "running"
	stateSucceeded = "succeeded"
	stateFailed    = "failed" // or canceled
)

var states = []string{stateWaiting, stateRunning, stateSucceeded, stateFailed}

func stateOf(execution *dispatcherv1alpha1.JobExecution) string {
	switch execution.Summary().Status {
	case metav1.ConditionTrue:
		return stateSucceeded
	case metav1.ConditionFalse:
		return stateFailed
	}
	if meta.IsStatusConditionTrue(execution.Status.Conditions, dispatcherv1alpha1.ConditionRunning) {
		return stateRunning
	}
	return stateWaiting
}

// list answers with one page of the executions of a namespace, the newest first. Pages themselves follow names, as
// those of the API server do, and one may be shorter than the limit, or empty, although another follows it.
func (e *executions) list(w http.ResponseWriter, r *http.Request) error {
	named, err := namespaceOf(r)
	if err != nil {
		return err
	}
	form, err := negotiate(r, objectTypes...)
	if err != nil {
		return err
	}
	query, err := queryOf(r, "continue", "limit", "state", "template")
	if err != nil {
		return err
	}
	wanted, err := pageOf(query)
	if err != nil {
		return err
	}
	state, filtered := query["state"]
	if filtered && !slices.Contains(states, state) {
		return refuseParameter("state", "must be one of "+strings.Join(states, ", "))
	}
	template, ofOne := query["template"]
	if ofOne {
		if rules := validateTemplateName(template); len(rules) > 0 {
			return refuseParameter("template", strings.Join(rules, "; "))
		}
		wanted.Selector = dispatcherv1alpha1.LabelJobTemplate + "=" + template
	}
	caller, err := e.caller(r)
	if err != nil {
		return err
	}
	need := access.Right{Verb: "list", Subresource: access.Executions, Namespace: named.Namespace, Template: template}
	if err := caller.Authorize(r.Context(), need); err != nil {
		return err
	}
	if err := refuseBody(r); err != nil {
		return err
	}
	claim, err := e.memory.forList(r)
	if err != nil {
		return err
	}
	defer claim.Release()
	keep := func(execution *dispatcherv1alpha1.JobExecution) bool {
		// A label is only a label: what an execution may tell hangs on the template that it names.
		return (!ofOne || execution.Spec.JobTemplateName == template) && (!filtered || stateOf(execution) == state)
	}
	page, err := e.store.Executions(r.Context(), named.Namespace, wanted, keep)
	if err != nil {
		return err
	}
	if filtered {
		page.RemainingItemCount = nil // It counts what the filter would leave out, too.
	}
	slices.SortStableFunc(page.Items, func(a, b store.Item) int {
		return cmp.Compare(b.CreatedAt.Unix(), a.CreatedAt.Unix())
	})
	return writePage(w, form, page)
}
