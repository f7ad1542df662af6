package sandbox

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

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
