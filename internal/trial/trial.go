package trial

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"dispatcher.ivan.vc/internal/refusal"
)

// Client tries Jobs at the API server. It is safe for concurrent use.
type Client struct {
	jobs rest.Interface
}

// New returns a client that sends its requests with the identity of config, through httpClient.
func New(config *rest.Config, httpClient *http.Client) (*Client, error) {
	config = rest.CopyConfig(config)
	config.APIPath = "/apis"
	config.GroupVersion = &batchv1.SchemeGroupVersion
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	config.ContentType = runtime.ContentTypeJSON
	config.AcceptContentTypes = runtime.ContentTypeJSON
	config.WarningHandler = rest.NoWarnings{} // The caller gets them in the Result.
	jobs, err := rest.RESTClientForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("building the client that tries Jobs: %w", err)
	}
	return &Client{jobs: jobs}, nil
}

// Result is the API server's answer to a Job.
type Result struct {
	// Job is the Job as the API server would store it, or nil where it would refuse it.
	Job *batchv1.Job

	// Warnings are those that the API server answered with.
	Warnings []string

	// Refusal is the API server's answer where it would refuse the Job, else nil. Its fields are those of the Job.
	Refusal *apierrors.StatusError

	// Errors say why the Job is invalid. They are empty where it was refused for another reason, such as a quota, a
	// policy, or a Job that has its name already: that may change until the template is run.
	Errors field.ErrorList
}

// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=create

// Try asks the API server to create job without storing it, so that its validation and the cluster's policies check
// it. It sends one request and does not repeat it. An error means that the Job was not checked: there was no answer,
// or a time-out, overload or an internal error. It wraps the API server's own error where there is one.
func (c *Client) Try(ctx context.Context, job *batchv1.Job) (Result, error) {
	request := c.jobs.Post().MaxRetries(0).Namespace(job.Namespace).Resource("jobs").
		Param("dryRun", metav1.DryRunAll).Body(job)
	if deadline, ok := ctx.Deadline(); ok {
		// With it, the API server gives up when the caller does.
		request.Timeout(max(time.Until(deadline), time.Millisecond))
	}
	answer := request.Do(ctx)
	tried := &batchv1.Job{}
	result, err := resultOf(job, tried, answer.Into(tried))
	if err != nil {
		return Result{}, fmt.Errorf("trying the rendered Job: %w", err)
	}
	for _, warning := range answer.Warnings() {
		if text, ok := templateWarning(job, warning.Text); ok {
			result.Warnings = append(result.Warnings, text)
		}
	}
	return result, nil
}

// resultOf sorts the answer to a dry run of job, which is err or tried, the Job that would be stored.
func resultOf(job, tried *batchv1.Job, err error) (Result, error) {
	if err == nil {
		return Result{Job: tried}, nil
	}
	refused, ok := errors.AsType[*apierrors.StatusError](err)
	// A proxy has not judged the Job, but what is too large for a proxy is too large.
	byProxy := refusal.Unexpected(err) && !refusal.TooLarge(err)
	if !ok || byProxy || isTransient(int(refused.ErrStatus.Code)) {
		return Result{}, err
	}
	result := Result{Refusal: refused}
	switch refused.ErrStatus.Code {
	case http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		result.Errors = templateErrors(job, refused.ErrStatus)
	}
	return result, nil
}

// isTransient tells trouble of the API server, or of the way to it, from its opinion of an object.
func isTransient(code int) bool {
	switch code {
	case http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	}
	return code < http.StatusBadRequest || code >= http.StatusInternalServerError
}
