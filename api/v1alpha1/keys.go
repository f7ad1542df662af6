package v1alpha1

const (
	// LabelJobTemplate is the name of the JobTemplate, on every JobExecution, Job and pod made from it.
	LabelJobTemplate = "dispatcher.ivan.vc/job-template"

	// LabelJobExecution is the name of the JobExecution, on its Job and pods.
	LabelJobExecution = "dispatcher.ivan.vc/job-execution"

	// AnnotationJobTemplateUID tells, on a Job, which template it was rendered from. The controller reads this and the next
	// one back into the execution's status.jobTemplate.
	AnnotationJobTemplateUID = "dispatcher.ivan.vc/job-template-uid"

	// AnnotationJobTemplateGeneration tells, on a Job, the generation of that template.
	AnnotationJobTemplateGeneration = "dispatcher.ivan.vc/job-template-generation"

	// AnnotationRequestID is, on a JobExecution, the id of the HTTP request that created it, as in the access log and
	// the X-Request-Id header of the answer.
	AnnotationRequestID = "dispatcher.ivan.vc/request-id"

	// AnnotationReceivedAt is, on a JobExecution, when the HTTP API received the request, in RFC 3339 with nanoseconds.
	// The time from request to Job is measured from it, since creationTimestamp has whole seconds only.
	AnnotationReceivedAt = "dispatcher.ivan.vc/received-at"

	// AnnotationIdempotencyKeyHash is, on a JobExecution that was created with an Idempotency-Key, what stands for the key:
	// "sha256:" and the hash of the template's name, a NUL and the key, in hex. The key itself is not stored.
	AnnotationIdempotencyKeyHash = "dispatcher.ivan.vc/idempotency-key-hash"

	// AnnotationPayloadDigest is, on a JobExecution that was created with an Idempotency-Key, "sha256:" and the hash of the
	// payload that came with it, in hex. A repeat of the call has to send the same.
	AnnotationPayloadDigest = "dispatcher.ivan.vc/payload-digest"

	// AnnotationDefaulted tells, on a JobExecution, that it has already what it takes from its template, as the HTTP API
	// fills it in. The webhook that does that for everybody else is then not called, which its configuration says. Whoever
	// sets it by hand goes without what is not set.
	AnnotationDefaulted = "dispatcher.ivan.vc/defaulted"

	// FinalizerJobTracking keeps a Job that has a ttlSecondsAfterFinished of its own until its outcome stands in the
	// execution's status. Without it, a Job that is removed while no controller runs would look like one that was
	// never made, and the execution would run twice.
	FinalizerJobTracking = "dispatcher.ivan.vc/job-tracking"
)
