package controller

import (
	"context"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/utils/clock"

	"dispatcher.ivan.vc/internal/trial"
)

// trialInterval is the shortest time between the beginnings of two trials of templates. Nobody waits for a trial, and
// each costs a render and a dry run with all webhooks of Jobs.
const trialInterval = 500 * time.Millisecond

// pace spaces out trials, whatever their templates.
type pace struct {
	clock clock.Clock

	mutex sync.Mutex
	next  time.Time
}

// wait returns when it is time for the next trial.
func (p *pace) wait(ctx context.Context) error {
	p.mutex.Lock()
	now := p.clock.Now()
	if p.next.Before(now) || p.next.Sub(now) > maxConcurrentTrials*trialInterval { // The clock may be set back.
		p.next = now
	}
	delay := p.next.Sub(now)
	p.next = p.next.Add(trialInterval)
	p.mutex.Unlock()
	if delay == 0 {
		return ctx.Err()
	}
	timer := p.clock.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C():
		return nil
	}
}

// smallJob is the size in bytes up to which Jobs are tried side by side.
const smallJob = 16 << 10

// largeJobsInTurn tries one large Job at a time: a dry run may take 24 times the size of its Job.
type largeJobsInTurn struct {
	trier trial.Trier
	turn  chan struct{}
}

// Try implements trial.Trier.
func (l *largeJobsInTurn) Try(ctx context.Context, job *batchv1.Job) (trial.Result, error) {
	if job.Size() > smallJob {
		select {
		case l.turn <- struct{}{}:
		case <-ctx.Done():
			return trial.Result{}, context.Cause(ctx)
		}
		defer func() { <-l.turn }()
	}
	return l.trier.Try(ctx, job)
}
