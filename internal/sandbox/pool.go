package sandbox

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/clock"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

// DefaultWorkers and MaxWorkers are how many workers a pool has, and may have.
const (
	DefaultWorkers = 2
	MaxWorkers     = 8
)

// Options are the settings of a Pool.
type Options struct {
	// Workers is how many renders run at a time: 1 to MaxWorkers.
	Workers int

	// Log takes what ends workers.
	Log logr.Logger
}

// Pool renders in processes of its own. It is a render.Renderer and a prometheus.Collector, and safe for concurrent
// use. What different origins ask for (see render.WithOrigin), and what is asked for in different namespaces, takes
// turns.
//
// An error of the type field.ErrorTypeInternal says nothing about the template and may go away: see render.Retryable.
// A template and a payload that end a worker are refused for good; a worker that somebody else kills is replaced, and
// its request tried again once.
type Pool struct {
	log       logr.Logger
	args      []string // of a worker
	limits    limits
	queue     *queue
	killers   *killers
	encodings *encodings
	metrics   *poolMetrics
	spawner   *spawner

	slots   int
	workers sync.WaitGroup

	mutex     sync.Mutex        // for the two below
	processes map[*process]bool // Whether they have proved themselves.
	stopped   chan struct{}

	// running is how many workers are ready, and wasReady whether one ever was. startError is why a worker could not
	// be started, or ended right after its start. It is nil once another one has proved itself.
	running    atomic.Int32
	wasReady   atomic.Bool
	startError atomic.Pointer[error]
}

var _ render.Renderer = &Pool{}

// NewPool returns a pool without workers: Start starts them.
func NewPool(o Options) (*Pool, error) {
	if o.Workers < 1 || o.Workers > MaxWorkers {
		return nil, fmt.Errorf("the number of render workers must be from 1 to %d", MaxWorkers)
	}
	p := &Pool{
		log:       o.Log,
		args:      []string{Command},
		limits:    defaultLimits,
		queue:     newQueue(o.Workers),
		killers:   newKillers(clock.RealClock{}),
		encodings: newEncodings(),
		metrics:   newMetrics(),
		slots:     o.Workers,

		processes: map[*process]bool{},
		stopped:   make(chan struct{}),
	}
	return p, nil
}

// Start starts the workers, and keeps them running until Stop. It does not wait for them: requests do.
func (p *Pool) Start() {
	p.spawner = newSpawner()
	starts := make(chan struct{}, 1) // one start at a time
	for range p.slots {
		p.workers.Go(func() { p.keepWorker(starts) })
	}
}

// Stop ends the workers and returns when none is left. Requests that are under way end as retryable errors.
func (p *Pool) Stop() {
	p.mutex.Lock()
	close(p.stopped)
	for worker := range p.processes {
		worker.kill(reasonShutdown)
	}
	p.mutex.Unlock()
	p.workers.Wait()
	p.spawner.stop()
}

// know makes sure that Stop kills a worker, if it has not been called already.
func (p *Pool) know(worker *process) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.processes[worker] = false
	if p.isStopped() {
		worker.kill(reasonShutdown)
	}
}

func (p *Pool) forget(worker *process) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	delete(p.processes, worker)
}

// prove notes that a worker works: it has answered, or lived for a while.
func (p *Pool) prove(worker *process) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if proved, known := p.processes[worker]; known && !proved {
		p.processes[worker] = true
		p.startError.Store(nil)
	}
}

func (p *Pool) hasProved(worker *process) bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.processes[worker]
}

func (p *Pool) isStopped() bool {
	select {
	case <-p.stopped:
		return true
	default:
		return false
	}
}

// Check is a health check: it fails until a first worker was ready, and while no worker has proved itself since the
// last one could not be started, or ended right after its start. A worker that ended under a request and is being
// replaced is no failure, or templates could take this process out of service.
func (p *Pool) Check(*http.Request) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, proved := range p.processes {
		if proved {
			return nil
		}
	}
	if err := p.startError.Load(); err != nil {
		return fmt.Errorf("no render worker can be started: %w", *err)
	}
	if !p.wasReady.Load() {
		return errors.New("no render worker is ready yet")
	}
	return nil
}

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
	job         *batchv1.Job
	examination render.Examination
}

func (c *call) key() callKey {
	return callKey{kind: c.kind, template: c.hash, payload: sha256.Sum256([]byte(c.payload))}
}

// Job implements render.Renderer.
func (p *Pool) Job(
	ctx context.Context, template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution,
) (*batchv1.Job, field.ErrorList) {
	done := p.ask(ctx, kindJob, template, execution, func(a *answer) (outcome, error) {
		if len(a.errs) > 0 {
			return outcome{errs: a.errs}, nil
		}
		if len(a.jobs) != 1 {
			return outcome{}, errors.New("there must be one Job or an error")
		}
		job, errs, err := render.Assemble(template, execution, a.jobs[0])
		return outcome{errs: errs, job: job}, err
	})
	if len(done.errs) > 0 {
		p.metrics.errors.WithLabelValues(requestJob).Inc()
		return nil, done.errs
	}
	return done.job, nil
}

// Examine implements render.Renderer.
func (p *Pool) Examine(ctx context.Context, template *dispatcherv1alpha1.JobTemplate) render.Examination {
	done := p.ask(ctx, kindExamine, template, &dispatcherv1alpha1.JobExecution{}, func(a *answer) (outcome, error) {
		if (len(a.errs) > 0) == (len(a.jobs) > 0) {
			return outcome{}, errors.New("there must be Jobs or errors")
		}
		examined := render.Examination{Errors: a.errs, Warnings: a.warnings, UsesMetadata: a.usesMetadata}
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
		request: request{kind: kind, hash: encoded.hash, name: execution.Name, payload: execution.Spec.Payload},
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
