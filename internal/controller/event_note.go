package controller

import (
	"fmt"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// maxNote is the length up to which the API server accepts the note of an event, in bytes.
const maxNote = 1024

// eventNote returns the message of the execution's summary, and who created the execution, if there is room for it.
func eventNote(execution *dispatcherv1alpha1.JobExecution) string {
	note, caller := execution.Summary().Message, execution.Spec.Caller
	if caller == nil {
		return note
	}
	created := fmt.Sprintf("; created by %q through the %s API", caller.Username, caller.Via)
	if len(note)+len(created) > maxNote {
		return note
	}
	return note + created
}
