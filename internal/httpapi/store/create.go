package store

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/refusal"
	"dispatcher.ivan.vc/internal/render"
)

// Request is a call that executes a JobTemplate.
type Request struct {
	Namespace, Template string

	// Payload is the body as it was sent.
	Payload string

	// Caller is the name of the user who calls.
	Caller string

	// ID and ReceivedAt tell the execution of this call from all others. They are stored with it.
	ID         string
	ReceivedAt time.Time
}

// execution returns the execution that a call asks for, without a name.
func (r Request) execution() *dispatcherv1alpha1.JobExecution {
	return &dispatcherv1alpha1.JobExecution{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: r.Namespace,
			Annotations: map[string]string{
				dispatcherv1alpha1.AnnotationRequestID:  r.ID,
				dispatcherv1alpha1.AnnotationReceivedAt: r.ReceivedAt.UTC().Format(time.RFC3339Nano),
			},
		},
		Spec: dispatcherv1alpha1.JobExecutionSpec{
			JobTemplateName: r.Template,
			Payload:         r.Payload,
			Caller:          &dispatcherv1alpha1.Caller{Username: r.Caller, Via: dispatcherv1alpha1.CallerViaHTTP},
		},
	}
}

// Create stores the execution that a call asks for, and returns it as it was stored. After an error nothing was stored,
// or it will be deleted. It does not end with ctx: a call whose body has arrived is not left half done.
func (s *Store) Create(ctx context.Context, request Request) (*dispatcherv1alpha1.JobExecution, error) {
	ctx = context.WithoutCancel(ctx)
	execution := request.execution()
	rule := s.names.of(s.setDefaults(ctx, execution), render.SafeName())
	var err error
	for range maxNameAttempts {
		execution.Name = newName(execution.Spec.JobTemplateName, rule)
		var created *dispatcherv1alpha1.JobExecution
		created, err = s.create(ctx, execution)
		taken := apierrors.IsAlreadyExists(err) && !refusal.ByProxy(err)
		switch {
		case err == nil:
			return created, nil
		case isNameRefused(err) && rule != render.SafeName():
			rule = render.SafeName()
			continue
		case !taken && !mayBeStored(err):
			return nil, translate(err, targetOf(execution))
		}
		if found, lookupErr := s.get(ctx, execution.Namespace, execution.Name); lookupErr == nil &&
			sameRequest(found, execution) {
			return found, nil
		}
		if !taken {
			s.unconfirmed.add(execution)
			return nil, translate(err, targetOf(execution))
		}
	}
	return nil, translate(err, targetOf(execution))
}

// create stores an execution. It waits for its turn, which ends early where the API server is slow.
func (s *Store) create(
	ctx context.Context,
	execution *dispatcherv1alpha1.JobExecution,
) (*dispatcherv1alpha1.JobExecution, error) {
	waiting, cancel := context.WithTimeout(ctx, CreateQueueTimeout)
	defer cancel()
	if err := s.createTurns.Acquire(waiting, 1); err != nil {
		return nil, apierrors.NewTooManyRequestsError("too many executions are waiting to be stored")
	}
	endTurn := sync.OnceFunc(func() { s.createTurns.Release(1) })
	defer endTurn()
	defer time.AfterFunc(s.createTurn, endTurn).Stop()
	ctx, cancel = context.WithTimeout(ctx, CreateTimeout)
	defer cancel()
	created := &dispatcherv1alpha1.JobExecution{}
	err := executions(s.dispatcher.Post(), execution.Namespace).
		Param("timeout", apiServerDeadline.String()).
		Param("fieldManager", fieldManager).
		Body(execution).Do(ctx).Into(created)
	s.untrusted.report(err)
	return created, err
}

// sameRequest tells whether found is what a request of ours created, by the id and the time of the request: its name
// alone could be somebody else's.
func sameRequest(found, execution *dispatcherv1alpha1.JobExecution) bool {
	for _, key := range []string{dispatcherv1alpha1.AnnotationRequestID, dispatcherv1alpha1.AnnotationReceivedAt} {
		if found.Annotations[key] != execution.Annotations[key] {
			return false
		}
	}
	return true
}

// mayBeStored tells whether the object may have been stored although the create failed. It is certain that it was not
// when the API server refused it, when admission failed, which comes before storage, and when there was no connection.
func mayBeStored(err error) bool {
	if refusal.ByProxy(err) {
		return true
	}
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		return status.Status().Code >= http.StatusInternalServerError && !failedInAdmission(err) && !refusal.TooLarge(err)
	}
	var network *net.OpError
	return !errors.As(err, &network) || network.Op != "dial"
}
