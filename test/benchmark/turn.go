package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

const templateName = "jobtemplate-sample"

// contender is one way to have a template executed.
type contender struct {
	name string
	// run does one execution in a namespace.
	run func(ctx context.Context, namespace string) (done, error)
	// processes are those whose CPU time and memory count as the contender's.
	processes func() []int
}

// done is what run tells of an execution.
type done struct {
	answered time.Duration // from the beginning until the execution was stored
	job      string        // the name of its Job, empty if there is none
}

const (
	createOnly = "raw create"
	rawRun     = "raw client"
	dispatcher = "Dispatcher"
)

func (b *bench) contenders() []contender {
	own := func() []int { return []int{os.Getpid()} }
	return []contender{
		{name: createOnly, run: b.raw.createOnly, processes: own},
		{name: rawRun, run: b.raw.runAll, processes: own},
		{name: dispatcher, run: b.put.execute, processes: b.managerProcesses},
	}
}

// managerProcesses are the manager and its render workers.
func (b *bench) managerProcesses() []int {
	return append([]int{b.manager.PID()}, b.manager.Descendants()...)
}

// sample is one execution of a turn.
type sample struct {
	begin time.Time
	done
}

// runTurn lets a contender execute for a while, and waits until all that follows from it has happened.
func (b *bench) runTurn(ctx context.Context, c contender, callers int, duration time.Duration) (measurement, error) {
	template, err := b.newNamespace(ctx)
	if err != nil {
		return nil, err
	}
	namespace := template.Namespace
	if err := b.raw.learn(ctx, template); err != nil {
		return nil, err
	}
	// One execution beforehand: connections are open, and the template is in every cache.
	if _, err := c.run(ctx, namespace); err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	before, err := b.apiServer.settled(ctx)
	if err != nil {
		return nil, err
	}
	processes := c.processes()
	if err := resetPeak(processes); err != nil {
		return nil, err
	}
	usedBefore, err := usageOf(processes)
	if err != nil {
		return nil, err
	}

	begin := time.Now()
	samples, err := load(ctx, c, namespace, callers, begin.Add(duration))
	end := time.Now()
	if err != nil {
		return nil, fmt.Errorf("%s, %d callers: %w", c.name, callers, err)
	}
	m := measurement{accepted: rate(len(samples), begin, end)}
	m.addAnswers(samples)
	if err := b.addAppearances(ctx, m, namespace, samples); err != nil {
		return nil, err
	}

	after, err := b.apiServer.settled(ctx)
	if err != nil {
		return nil, err
	}
	used, err := usageOf(processes)
	if err != nil {
		return nil, err
	}
	spent := after.since(before)
	thousands := float64(len(samples)) / 1000
	m[executions] = float64(len(samples))
	m[writes] = spent.writes() / float64(len(samples))
	m[lists] = spent.lists / float64(len(samples))
	m[ownCPU] = (used.cpu - usedBefore.cpu) / thousands
	m[apiServerCPU] = spent.cpu / thousands
	m[peakMemory] = used.peak
	return m, nil
}

// unhurried stands for one caller who begins an execution every unhurriedPace. What follows from one execution is then
// over before the next begins, so that its answer takes the time of its own work.
const (
	unhurried     = 0
	unhurriedPace = 100 * time.Millisecond
)

// load has so many callers execute, each one execution after the other, until the deadline.
func load(ctx context.Context, c contender, namespace string, callers int, deadline time.Time) ([]sample, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mutex sync.Mutex
	var all []sample
	var working sync.WaitGroup
	pause := func() {}
	if callers == unhurried {
		callers = 1
		ticker := time.NewTicker(unhurriedPace)
		defer ticker.Stop()
		pause = func() { <-ticker.C }
	}
	for range callers {
		working.Go(func() {
			var own []sample
			for pause(); time.Now().Before(deadline); pause() {
				begin := time.Now()
				result, err := c.run(ctx, namespace)
				if err != nil {
					cancel(err)
					return
				}
				own = append(own, sample{begin: begin, done: result})
			}
			mutex.Lock()
			defer mutex.Unlock()
			all = append(all, own...)
		})
	}
	working.Wait()
	return all, context.Cause(ctx)
}

// addAppearances measures from the beginning of each execution to the appearance of its Job.
func (b *bench) addAppearances(ctx context.Context, m measurement, namespace string, samples []sample) error {
	if samples[0].job == "" {
		return nil
	}
	names := make([]string, len(samples))
	for i, s := range samples {
		names[i] = s.job
	}
	appeared, err := b.jobs.appearances(ctx, namespace, names)
	if err != nil {
		return err
	}
	first, last := samples[0].begin, appeared[0]
	waits := make([]float64, len(samples))
	for i, s := range samples {
		waits[i] = milliseconds(appeared[i].Sub(s.begin))
		if s.begin.Before(first) {
			first = s.begin
		}
		if appeared[i].After(last) {
			last = appeared[i]
		}
	}
	m[jobs] = rate(len(samples), first, last)
	m[toJob50], m[toJob99] = percentile(waits, 50), percentile(waits, 99)
	return nil
}

func (m measurement) addAnswers(samples []sample) {
	answers := make([]float64, len(samples))
	for i, s := range samples {
		answers[i] = milliseconds(s.answered)
	}
	m[answer50], m[answer99] = percentile(answers, 50), percentile(answers, 99)
}

func rate(count int, begin, end time.Time) float64 { return float64(count) / end.Sub(begin).Seconds() }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// percentile returns the smallest value that so many percent of the values do not exceed.
func percentile(values []float64, percent int) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, (len(sorted)*percent+99)/100-1)]
}
