package sandbox

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

// call is a request on its way through the pool.
type call struct {
	request

	flow

	encoded []byte // the template
	// accept makes the outcome of an answer, or says that it cannot be the answer to this request.
	accept func(*answer) (outcome, error)
	// retried says that a worker was killed under it before.
	retried bool
	// heavy says that it held its worker for long, or ended it.
	heavy   bool
	outcome chan outcome
}

// outcome is how a call ends: with errors, or with what it asked for.
type outcome struct {
	errs        field.ErrorList
	rendering   render.Rendering
	examination render.Examination
}

func (c *call) key() callKey {
	return callKey{kind: c.kind, template: c.hash, payload: sha256.Sum256([]byte(c.payload))}
}

// Job implements render.Renderer.
func (p *Pool) Job(
	ctx context.Context, template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution,
) (*batchv1.Job, field.ErrorList) {
	rendering := p.Render(ctx, template, execution)
	return rendering.Job, rendering.Errors
}

// Render implements render.Renderer.
func (p *Pool) Render(
	ctx context.Context, template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution,
) render.Rendering {
	done := p.ask(ctx, kindJob, template, execution, func(a *answer) (outcome, error) {
		if len(a.errs) > 0 {
			return outcome{errs: a.errs}, nil
		}
		if len(a.jobs) != 1 {
			return outcome{}, errors.New("there must be one Job or an error")
		}
		job, errs, err := render.Assemble(template, execution, a.jobs[0])
		return outcome{errs: errs, rendering: render.Rendering{Job: job, NeedsTrial: a.needsTrial}}, err
	})
	if len(done.errs) > 0 {
		p.metrics.errors.WithLabelValues(requestJob).Inc()
		return render.Rendering{Errors: done.errs}
	}
	return done.rendering
}

// Examine implements render.Renderer.
func (p *Pool) Examine(ctx context.Context, template *dispatcherv1alpha1.JobTemplate) render.Examination {
	done := p.ask(ctx, kindExamine, template, &dispatcherv1alpha1.JobExecution{}, func(a *answer) (outcome, error) {
		if (len(a.errs) > 0) == (len(a.jobs) > 0) {
			return outcome{}, errors.New("there must be Jobs or errors")
		}
		examined := render.Examination{
			Errors: a.errs, Warnings: a.warnings, UsesMetadata: a.usesMetadata, PayloadFields: a.payloadFields,
		}
		for _, texts := range a.jobs {
			job, errs, err := render.AssembleTrial(template, texts)
			if err != nil || len(errs) > 0 {
				return outcome{errs: errs}, err
			}
			examined.Jobs = append(examined.Jobs, job)
		}
		return outcome{examination: examined}, nil
	})
	examination := done.examination
	if len(done.errs) > 0 {
		// Where nothing is known of the metadata, a change of it may matter.
		examination = render.Examination{Errors: done.errs, UsesMetadata: true}
	}
	if len(examination.Errors) > 0 {
		p.metrics.errors.WithLabelValues(requestExamine).Inc()
	}
	return examination
}

// ask has a worker answer, and returns what accept made of the answer, or the errors for which there is none.
func (p *Pool) ask(
	ctx context.Context, kind kind, template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution,
	accept func(*answer) (outcome, error),
) outcome {
	begun := time.Now()
	encoded, release, err := p.encoded(kind, template)
	if err != nil {
		return outcome{errs: final("%v", err)}
	}
	defer release()
	c := &call{
		request: request{
			kind: kind, hash: encoded.hash,
			name: execution.Name, payload: execution.Spec.Payload, caller: execution.Spec.Caller,
		},
		flow:    flow{origin: render.Origin(ctx), namespace: template.Namespace},
		encoded: encoded.template,
		accept:  accept,
		outcome: make(chan outcome, 1),
	}
	if refused := p.killers.refuse(c.key); len(refused) > 0 {
		return outcome{errs: refused}
	}
	done := p.wait(ctx, c)
	p.metrics.seconds.Observe(time.Since(begun).Seconds())
	return done
}

// encoded returns the encoding of a template. A template that is examined need not be stored: its UID and version may
// be claimed.
func (p *Pool) encoded(kind kind, template *dispatcherv1alpha1.JobTemplate) (*encoding, func(), error) {
	if kind == kindExamine {
		encoded, err := newEncoding(template)
		return encoded, func() {}, err
	}
	return p.encodings.get(template)
}

// wait returns when a call has its outcome, or will not get one in time.
func (p *Pool) wait(ctx context.Context, c *call) outcome {
	p.queue.add(c)
	return p.await(ctx, c)
}

func (p *Pool) await(ctx context.Context, c *call) outcome {
	timeout := time.NewTimer(p.limits.wait)
	defer timeout.Stop()
	for {
		select {
		case done := <-c.outcome:
			return done
		case <-ctx.Done():
			// A worker that has begun goes on to the end. To kill it would let callers who hang up kill workers.
			p.queue.remove(c)
			return outcome{errs: retryable("rendering was stopped: %w", context.Cause(ctx))}
		case <-p.stopped:
			p.queue.remove(c)
			return outcome{errs: retryable("%w", errStopped)}
		case <-timeout.C:
			if !p.queue.remove(c) {
				// It is being worked on. It waits again if its worker is killed.
				timeout.Reset(p.limits.wait)
				continue
			}
			if err := p.Check(nil); err != nil {
				return outcome{errs: retryable("%w", err)}
			}
			return outcome{errs: retryable("no render worker was free for %v", p.limits.wait)}
		}
	}
}

func (p *Pool) cpuLimit(k kind) time.Duration {
	if k == kindExamine {
		return p.limits.examineCPU
	}
	return p.limits.jobCPU
}
