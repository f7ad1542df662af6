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
	// hash of the template's name, a NUL and the key, in hex. The key itself is not stored.
	AnnotationIdempotencyKeyHash = "dispatcher.ivan.vc/idempotency-key-hash"

	// AnnotationDefaulted says, on a JobExecution, that its defaults from the template are filled in. The HTTP API
	// fills them in itself; the API server then does not call the mutating webhook, see its matchConditions. An
	// execution that has this annotation and lacks a default stays without it.
	AnnotationDefaulted = "dispatcher.ivan.vc/defaulted"

	// FinalizerJobTracking keeps a Job that has its own ttlSecondsAfterFinished until its outcome is in the status of
	// the execution. Without it, a Job that is deleted while no controller runs would look as if it had never been
	// created, and the execution would run twice.
	FinalizerJobTracking = "dispatcher.ivan.vc/job-tracking"
)
