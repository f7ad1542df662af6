package webhook

import (
	"context"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"dispatcher.ivan.vc/internal/fairqueue"
	"dispatcher.ivan.vc/internal/trial"
	"dispatcher.ivan.vc/internal/webhook/server"
)

// What the webhooks ask of the API server at a time: in all, for one caller of the webhooks, and for one namespace of
// a caller. The manager's other requests share the API server's priority and fairness with these.
const (
	maxCalls            = 32
	maxCallsOfAddress   = 16
	maxCallsOfNamespace = 8
)

// calls shares what the webhooks ask of the API server, and search in the cache, between their callers. A stranger who
// reaches the webhooks can make them ask.
type calls struct{ queue *fairqueue.Queue }

func newCalls() calls {
	return calls{fairqueue.New(maxCalls, maxCallsOfAddress, maxCallsOfNamespace)}
}

// wait returns when it is the turn of ctx's request. The caller must call release.
func (c calls) wait(ctx context.Context, namespace string) (release func(), err error) {
	release, err = c.queue.Acquire(ctx, fairqueue.Origin{Address: server.Address(ctx), Flow: namespace}, 1)
	if err != nil {
		return nil, fmt.Errorf("too many requests wait for the API server: %w", err)
	}
	return release, nil
}

// The memory for dry runs, in bytes: for all, for a caller of the webhooks, and for one namespace of a caller.
const (
	maxTrials            = 48 << 20
	maxTrialsOfAddress   = 24 << 20
	maxTrialsOfNamespace = 12 << 20

	// trialFactor is what a dry run takes for each byte of the Job: a control character has six bytes in JSON, and where
	// the API server refuses a text, its answer quotes it twice.
	trialFactor = 24

	// smallTrial is up to where a Job counts nothing.
	smallTrial = 16 << 10
)

// fairTrier is a trial.Trier that waits for its turn, and for memory where the Job is large.
type fairTrier struct {
	calls
	memory *fairqueue.Queue
	trier  trial.Trier
}

func newFairTrier(c calls, trier trial.Trier) fairTrier {
	return fairTrier{c, fairqueue.New(maxTrials, maxTrialsOfAddress, maxTrialsOfNamespace), trier}
}

// Try implements trial.Trier.
func (f fairTrier) Try(ctx context.Context, job *batchv1.Job) (trial.Result, error) {
	if size := int64(job.Size()); size > smallTrial {
		origin := fairqueue.Origin{Address: server.Address(ctx), Flow: job.Namespace}
		release, err := f.memory.Acquire(ctx, origin, min(size*trialFactor, maxTrialsOfAddress))
		if err != nil {
			return trial.Result{}, fmt.Errorf("too many large Jobs are being tried: %w", err)
		}
		defer release()
	}
	release, err := f.wait(ctx, job.Namespace)
	if err != nil {
		return trial.Result{}, err
	}
	defer release()
	return f.trier.Try(ctx, job)
}

// fairReader is a reader whose reads of one object wait for their turn.
type fairReader struct {
	client.Reader
	calls
}

// Get implements client.Reader.
func (f fairReader) Get(
	ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption,
) error {
	release, err := f.wait(ctx, key.Namespace)
	if err != nil {
		return err
	}
	defer release()
	return f.Reader.Get(ctx, key, object, options...)
}

// fairReviews creates access reviews, and each waits for its turn.
type fairReviews struct {
	calls
	reviews accessReviewer
}

// Create implements accessReviewer.
func (f fairReviews) Create(ctx context.Context, review client.Object, options ...client.CreateOption) error {
	namespace := review.GetNamespace()
	if access, ok := review.(*authorizationv1.SubjectAccessReview); ok && access.Spec.ResourceAttributes != nil {
		namespace = access.Spec.ResourceAttributes.Namespace // The review itself has none.
	}
	release, err := f.wait(ctx, namespace)
	if err != nil {
		return err
	}
	defer release()
	return f.reviews.Create(ctx, review, options...)
}
