package sandbox

import (
	"errors"
	"fmt"
	"time"

	"dispatcher.ivan.vc/internal/render"
)

// keepWorker keeps one worker running until the pool stops.
func (p *Pool) keepWorker(starts chan struct{}) {
	pause := minRestart
	for {
		err := p.runWorker(starts)
		if p.isStopped() {
			return
		}
		if err == nil {
			pause = minRestart
			continue
		}
		p.log.Error(err, "render workers do not run", "pause", pause)
		p.startError.Store(&err)
		select {
		case <-time.After(pause):
		case <-p.stopped:
		}
		pause = min(2*pause, maxRestart)
	}
}

// runWorker starts a worker and returns when it has ended. An error says that the next one may not do better.
func (p *Pool) runWorker(starts chan struct{}) error {
	worker, err := p.startWorker(starts)
	if err != nil {
		return err
	}
	p.wasReady.Store(true)
	p.running.Add(1)
	p.metrics.workers.Inc()
	lived := time.AfterFunc(p.limits.proof, func() { p.prove(worker) })
	reason, early := p.serve(worker)
	lived.Stop()
	p.running.Add(-1)
	p.metrics.workers.Dec()
	if early {
		return fmt.Errorf("render workers end right after they start: %s", reason)
	}
	return nil
}

// startWorker starts a process and waits until it is ready.
func (p *Pool) startWorker(starts chan struct{}) (*process, error) {
	starts <- struct{}{}
	defer func() { <-starts }()
	worker, err := startProcess(p.spawner, p.args)
	if err != nil {
		p.metrics.exits.WithLabelValues(reasonStart).Inc()
		return nil, err
	}
	p.know(worker)
	allowed := newAllowance(worker, startTimeout, startTimeout)
	content, err := allowed.read()
	if err == nil {
		_, err = parseAnswer(content)
	}
	if err != nil {
		worker.kill(reasonStart)
		p.bury(worker, nil)
		return nil, fmt.Errorf("a render worker did not become ready: %w: %s", err, worker.words.String())
	}
	return worker, nil
}

// serve hands calls to a worker until it ends, or the pool does. It says why, and whether that was before the worker
// has proved itself, without a request to blame for it.
func (p *Pool) serve(worker *process) (reason string, early bool) {
	for {
		c := p.queue.next(worker.ended, p.stopped)
		if c == nil {
			proved := p.hasProved(worker)
			reason = p.bury(worker, nil)
			return reason, !proved
		}
		done, err := p.carryOut(worker, c)
		if err != nil {
			proved := p.hasProved(worker)
			reason = p.lost(worker, c)
			return reason, !proved && reason == reasonKilled
		}
		p.prove(worker)
		p.queue.done(c)
		c.outcome <- done
	}
}

// carryOut has a worker answer a call. An error says that the worker cannot go on.
func (p *Pool) carryOut(worker *process, c *call) (outcome, error) {
	allowed := newAllowance(worker, p.cpuLimit(c.kind), p.limits.wall)
	a, err := p.exchange(allowed, c)
	if err != nil {
		return outcome{}, err
	}
	// A renderer that ends by the clock does not know whether the template or the machine is slow. The CPU time tells.
	used := allowed.used()
	c.heavy = used > heavyCPU
	if render.Retryable(a.errs) && used >= p.cpuLimit(c.kind)*9/10 {
		a.errs = final("rendering was not done after %v of CPU time", used.Round(100*time.Millisecond))
	}
	done, err := c.accept(a)
	if err != nil {
		worker.kill(reasonProtocol)
		return outcome{}, fmt.Errorf("%w: %w", errProtocol, err)
	}
	p.killers.rendered(c.hash)
	return done, nil
}

var errProtocol = errors.New("the answer is invalid")

// exchange sends a call with its template where the worker does not know that.
func (p *Pool) exchange(allowed *allowance, c *call) (*answer, error) {
	c.template = nil
	if c.kind == kindExamine {
		c.template = c.encoded // It is new in most cases, and not kept.
	}
	a, err := p.exchangeOnce(allowed, c)
	if c.kind == kindJob && err == nil {
		lookup := lookupHit
		if a.unknown {
			lookup = lookupMiss
		}
		p.metrics.lookups.WithLabelValues(lookup).Inc()
	}
	if err != nil || !a.unknown || len(c.template) > 0 {
		return a, err
	}
	c.template = c.encoded
	return p.exchangeOnce(allowed, c)
}

func (p *Pool) exchangeOnce(allowed *allowance, c *call) (*answer, error) {
	frame, err := c.frame()
	if err != nil {
		return &answer{errs: final("the template and the payload are too large to be rendered")}, nil
	}
	content, err := allowed.exchange(frame)
	if err != nil {
		if errors.Is(err, errFrameTooLarge) {
			allowed.process.kill(reasonProtocol)
		}
		return nil, err
	}
	a, err := parseAnswer(content)
	if err == nil && a.unknown && len(c.template) > 0 {
		err = errors.New("the template is unknown although it was sent")
	}
	if err != nil {
		allowed.process.kill(reasonProtocol)
		return nil, fmt.Errorf("%w: %w", errProtocol, err)
	}
	return a, nil
}

// lost ends a call whose worker has ended, or is about to, and says why it has.
func (p *Pool) lost(worker *process, c *call) (reason string) {
	select {
	case <-worker.ended:
	case <-time.After(p.limits.reap):
		worker.kill(reasonProtocol) // It closed its pipe and lives on.
	}
	reason = p.bury(worker, c)
	errs := p.blame(reason, c)
	c.heavy = len(errs) > 0 || reason == reasonTime
	switch {
	case len(errs) > 0:
		p.killers.killed(c.key(), errs)
	case reason == reasonKilled && !c.retried && !p.isStopped():
		c.retried = true
		p.queue.retry(c)
		return reason
	case reason == reasonShutdown:
		errs = retryable("%w", errStopped)
	case reason == reasonTime:
		errs = retryable("rendering was not done after %v, and took little CPU time: the machine is too slow", p.limits.wall)
	default:
		errs = retryable("two render workers were killed from outside, one after the other")
	}
	p.queue.done(c)
	c.outcome <- outcome{errs: errs}
	return reason
}

// bury waits until a worker is gone, counts why, and says so in the log.
func (p *Pool) bury(worker *process, c *call) (reason string) {
	worker.close()
	p.forget(worker)
	reason = worker.reason()
	p.metrics.exits.WithLabelValues(reason).Inc()
	if reason == reasonShutdown {
		return reason
	}
	cpu, resident := worker.usage()
	values := []any{"reason", reason, "pid", worker.pid(), "cpuTime", cpu.String(), "maxResidentKB", resident}
	if c != nil {
		values = append(values, "namespace", c.namespace, "request", c.name)
	}
	p.log.Info("a render worker ended", values...)
	// May hold parts of a payload, so it is not for every log.
	p.log.V(1).Info("what a render worker printed", "pid", worker.pid(), "text", worker.words.String())
	return reason
}
