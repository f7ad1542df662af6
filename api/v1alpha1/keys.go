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

	// FinalizerJobTracking keeps a Job that has a ttlSecondsAfterFinished of its own until its outcome stands in the
	// execution's status. Without it, a Job that is removed while no controller runs would look like one that was
	// never made, and the execution would run twice.
	FinalizerJobTracking = "dispatcher.ivan.vc/job-tracking"
)
