package v1alpha1

const (
	// LabelJobTemplate is the name of the JobTemplate, on every JobExecution, Job and pod made from it.
	LabelJobTemplate = "dispatcher.ivan.vc/job-template"

	// LabelJobExecution is the name of the JobExecution, on its Job and pods.
	LabelJobExecution = "dispatcher.ivan.vc/job-execution"

	// AnnotationJobTemplateUID is, on a Job, the UID of the JobTemplate that it was rendered from. The controller
	// copies it and AnnotationJobTemplateGeneration to status.jobTemplate of the execution.
	AnnotationJobTemplateUID = "dispatcher.ivan.vc/job-template-uid"

	// AnnotationJobTemplateGeneration is, on a Job, the generation of that template.
	AnnotationJobTemplateGeneration = "dispatcher.ivan.vc/job-template-generation"

	// AnnotationRequestID is, on a JobExecution, the id of the HTTP request that created it: the same as in the
	// access log and in the X-Request-Id header of the response.
	AnnotationRequestID = "dispatcher.ivan.vc/request-id"

	// AnnotationReceivedAt is, on a JobExecution, when the HTTP API received the request, in RFC 3339 with
	// nanoseconds. The time from request to Job is measured from here, because creationTimestamp has whole seconds
	// only.
	AnnotationReceivedAt = "dispatcher.ivan.vc/received-at"

	// AnnotationIdempotencyKeyHash is, on a JobExecution that was created with an Idempotency-Key, "sha256:" and the
	// hash of the template's name, the caller and the key, in hex. The key itself is not stored.
	AnnotationIdempotencyKeyHash = "dispatcher.ivan.vc/idempotency-key-hash"

	// AnnotationDefaulted says, on a JobExecution, that its defaults from the template are filled in. The HTTP API
	// fills them in itself; the API server then does not call the mutating webhook, see its matchConditions. An
	// execution that has this annotation and lacks a default stays without it. Only the manager may set it.
	AnnotationDefaulted = "dispatcher.ivan.vc/defaulted"

	// AnnotationLeftOut is, on a Job, which list items of its template it does not have, because the template uses
	// leaveOut: spec.template.spec.containers[0].args[1,3].
	AnnotationLeftOut = "dispatcher.ivan.vc/left-out"

	// AnnotationJobTTL is, on a Job that has not finished, the ttlSecondsAfterFinished that its template sets, if that is
	// less than MinJobTTLSeconds.
	AnnotationJobTTL = "dispatcher.ivan.vc/job-ttl-seconds-after-finished"

	// AnnotationStartDeadline is, on a Job, the startDeadlineSeconds of the JobTemplate that it was rendered from, if that
	// sets one.
	AnnotationStartDeadline = "dispatcher.ivan.vc/start-deadline-seconds"
)

// ReservedAnnotations returns the annotations of a JobExecution that only the manager may set, change or remove.
// Admission refuses them from other users, because the HTTP API trusts them.
func ReservedAnnotations() []string {
	return []string{
		AnnotationRequestID,
		AnnotationReceivedAt,
		AnnotationIdempotencyKeyHash,
		AnnotationDefaulted,
	}
}

// MinJobTTLSeconds is the least ttlSecondsAfterFinished that a Job is created with, if its template sets any: a week.
// The controller restores the template's once the outcome of the Job is in the status of the execution. With a shorter
// one, a Job could be deleted before that, and the execution would take it for one that was deleted by hand.
const MinJobTTLSeconds = 7 * 24 * 60 * 60
