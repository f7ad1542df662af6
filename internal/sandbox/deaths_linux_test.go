package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"dispatcher.ivan.vc/internal/render"
)

// TestKilledWhileIdle: whoever asks next does not notice.
func TestKilledWhileIdle(t *testing.T) {
	p := newPool(t, 1)
	first := reported(t, p).PID
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if second := reported(t, p).PID; second == first {
		t.Error("a dead process has answered")
	}
	if p.exits(reasonKilled) != 1 {
		t.Errorf("%d killed workers were counted, want 1", p.exits(reasonKilled))
	}
}

// TestKilledFromOutside kills workers under a request: whoever kills one says nothing about the template.
func TestKilledFromOutside(t *testing.T) {
	kill := func(t *testing.T, p *Pool, times int) {
		for n := range times {
			eventually(t, "that a worker was killed", func() bool { return p.exits(reasonKilled) == n })
			p.busy(t)
			eventually(t, "that there is a worker", func() bool { return p.running.Load() == 1 && len(p.pids()) == 1 })
			if err := syscall.Kill(p.pids()[0], syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Run("once", func(t *testing.T) {
		p := newPool(t, 1)
		payload, remove := blocker(t)
		done := make(chan string)
		go func() { done <- job(t, p, payload) }()
		kill(t, p, 1)
		eventually(t, "that the worker is gone", func() bool { return p.exits(reasonKilled) == 1 })
		remove()
		if got := <-done; got != payload {
			t.Errorf("got %q", got)
		}
	})
	t.Run("twice", func(t *testing.T) {
		p := newPool(t, 1)
		payload, remove := blocker(t)
		done := make(chan field.ErrorList)
		go func() {
			_, errs := p.Job(t.Context(), echo(), executionOf(echo(), payload))
			done <- errs
		}()
		kill(t, p, 2)
		if errs := <-done; !render.Retryable(errs) {
			t.Errorf("got %v", errs)
		}
		remove()
		if got := job(t, p, payload); got != payload {
			t.Errorf("then got %q", got)
		}
		if p.exits(reasonTime) > 0 {
			t.Error("it was tried a third time")
		}
	})
}

// TestSignalsThatAreNotMeant: a signal to a whole group, or to all processes, ends no worker.
func TestSignalsThatAreNotMeant(t *testing.T) {
	p := newPool(t, 1)
	pid := reported(t, p).PID
	for _, signal := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM} {
		if err := syscall.Kill(pid, signal); err != nil {
			t.Fatal(err)
		}
	}
	if again := reported(t, p).PID; again != pid {
		t.Errorf("worker %d ended", pid)
	}
}

// TestSlowMachine: a worker that is not done, and took no CPU time, says nothing about the template.
func TestSlowMachine(t *testing.T) {
	p := newPool(t, 1, func(p *Pool) { p.limits.wall, p.limits.jobCPU = 100*time.Millisecond, time.Hour })
	_, errs := p.Job(t.Context(), echo(), executionOf(echo(), doSleep))
	if !render.Retryable(errs) {
		t.Errorf("got %v", errs)
	}
	if p.exits(reasonTime) != 1 {
		t.Error("the worker was not killed")
	}
}

// TestWorkerThatDoesNotRead: a request that is longer than the pipe ends in time, too.
func TestWorkerThatDoesNotRead(t *testing.T) {
	p := newPool(t, 1, func(p *Pool) {
		p.args = []string{stalledWorker}
		p.limits.wall = 100 * time.Millisecond
	})
	_, errs := p.Job(t.Context(), echo(), executionOf(echo(), strings.Repeat("x", 1<<20)))
	if !render.Retryable(errs) {
		t.Errorf("got %v", errs)
	}
	if p.exits(reasonTime) != 1 {
		t.Error("the worker was not killed")
	}
}

// TestWhatIsHeavy: a flow whose request ended its worker, or held it for long, never holds all workers.
func TestWhatIsHeavy(t *testing.T) {
	for payload, want := range map[string]bool{"fine": false, doWork: true, doExit: true, doSleep: true} {
		p := newPool(t, 2, func(p *Pool) {
			if payload == doSleep {
				p.limits.wall = 100 * time.Millisecond
			}
		})
		p.Job(t.Context(), echo(), executionOf(echo(), payload))
		p.queue.mutex.Lock()
		if got := p.queue.heavy.isHeavy(flow{namespace: echo().Namespace}); got != want {
			t.Errorf("%s: heavy = %v, want %v", payload, got, want)
		}
		p.queue.mutex.Unlock()
	}
}

// TestRenderedBetweenDeaths: a template that also renders is no suspect, however many payloads end workers.
func TestRenderedBetweenDeaths(t *testing.T) {
	p := newPool(t, 1)
	for i := range suspectAfter + 1 {
		if _, errs := p.Job(t.Context(), echo(), executionOf(echo(), fmt.Sprint(doExit, ":", i))); render.Retryable(errs) {
			t.Errorf("after %d deaths: %v", i, errs)
		}
		job(t, p, "fine")
	}
}

// TestDeadWorkersLeaveNothing: neither a worker that their flow holds, nor a file, nor a name in the list of workers.
func TestDeadWorkersLeaveNothing(t *testing.T) {
	p := newPool(t, 1)
	files := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	job(t, p, "fine")
	before := files()
	for i := range 5 {
		p.Job(t.Context(), echo(), executionOf(echo(), fmt.Sprint(doExit, ":", i)))
		job(t, p, "fine")
	}
	if after := files(); after > before {
		t.Errorf("%d files are open after five deaths, and %d before", after, before)
	}
	if pids := p.pids(); len(pids) != 1 {
		t.Errorf("workers %v are known, want the one that lives", pids)
	}
	p.queue.mutex.Lock()
	defer p.queue.mutex.Unlock()
	if len(p.queue.running) > 0 {
		t.Errorf("flows hold %v workers, want none", p.queue.running)
	}
}

// TestHealthOfALongLife: a worker that nobody asks has proved itself after a while.
func TestHealthOfALongLife(t *testing.T) {
	p := stoppedPool(t, 1, func(p *Pool) { p.limits.proof = time.Millisecond })
	before := errors.New("the one before did not start")
	p.startError.Store(&before)
	p.Start()
	t.Cleanup(p.Stop)
	eventually(t, "that it is healthy", func() bool { return p.Check(nil) == nil })
}

// TestRenderersClock: a render that was ended by the clock is the template's fault if it took the CPU time, too.
func TestRenderersClock(t *testing.T) {
	p := newPool(t, 1, func(p *Pool) { p.limits.jobCPU = 400 * time.Millisecond })
	for payload, want := range map[string]bool{doGiveUp: false, doLate: true} {
		_, errs := p.Job(t.Context(), echo(), executionOf(echo(), payload))
		if len(errs) != 1 || render.Retryable(errs) != want {
			t.Errorf("%s: %v, want it to be retryable: %t", payload, errs, want)
		}
	}
}

// TestTimeOfRequests: an examination renders more than once, and has more time.
func TestTimeOfRequests(t *testing.T) {
	p := stoppedPool(t, 1)
	for kind, want := range map[kind]time.Duration{
		kindJob: defaultLimits.jobCPU, kindExamine: defaultLimits.examineCPU,
	} {
		if got := p.cpuLimit(kind); got != want {
			t.Errorf("kind %d: %v, want %v", kind, got, want)
		}
	}
}

// TestOneDeathPerPayload repeats a request that ends its worker.
func TestOneDeathPerPayload(t *testing.T) {
	p := newPool(t, 2)
	var group sync.WaitGroup
	first := make(chan struct{})
	for i := range 50 {
		group.Go(func() {
			if i > 0 {
				<-first
			}
			execution := executionOf(echo(), doExit)
			execution.Name = fmt.Sprint("run-", i)
			_, errs := p.Job(t.Context(), echo(), execution)
			if len(errs) != 1 || render.Retryable(errs) {
				t.Errorf("got %v", errs)
			}
			if i == 0 {
				close(first)
			}
		})
	}
	group.Wait()
	if p.exits(reasonCrash) != 1 {
		t.Errorf("%d workers ended, want 1", p.exits(reasonCrash))
	}
	if got := job(t, p, "fine"); got != "fine" {
		t.Errorf("another payload: got %q", got)
	}
}

// TestNonsense: a worker may answer anything.
func TestNonsense(t *testing.T) {
	answers := map[string]string{
		"nothing":                        "",
		"a text":                         "I am a worker",
		"a long frame":                   "raw:\xff\xff\xff\xff",
		"bytes after the last field":     answerText(t, &answer{jobs: [][]render.Rendered{{{Text: "x"}}}}) + "more",
		"a known template is unknown":    answerText(t, &answer{unknown: true}),
		"no Job and no error":            answerText(t, &answer{}),
		"two Jobs":                       answerText(t, &answer{jobs: [][]render.Rendered{{{Text: "x"}}, {{Text: "x"}}}}),
		"too many texts":                 answerText(t, &answer{jobs: [][]render.Rendered{{{Text: "x"}, {Text: "y"}}}}),
		"too few texts":                  answerText(t, &answer{jobs: [][]render.Rendered{{}}}),
		"a text that cannot be left out": answerText(t, &answer{jobs: [][]render.Rendered{{{LeftOut: true}}}}),
		"an unknown type of error":       answerText(t, &answer{errs: field.ErrorList{{Type: "FieldValueStrange"}}}),
		"more errors than are sent":      "\x00\x00\x63",
	}
	p := newPool(t, 1, func(p *Pool) {
		p.args = []string{nonsenseWorker}
		p.limits.reap = time.Hour // A worker is killed at once.
	})
	for name, said := range answers {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, errs := p.Job(ctx, echo(), executionOf(echo(), said))
			if len(errs) != 1 || errs[0].Type != field.ErrorTypeInvalid || errs[0].Field != "spec.jobTemplate" {
				t.Errorf("got %v", errs)
			}
			p.killers = newKillers(p.killers.clock)
		})
	}
	if p.exits(reasonProtocol) != len(answers) {
		t.Errorf("%d workers were killed for %d answers", p.exits(reasonProtocol), len(answers))
	}
	if got := job(t, p, answerText(t, &answer{jobs: [][]render.Rendered{{{Text: "sense"}}}})); got != "sense" {
		t.Errorf("a good answer: got %q", got)
	}
}

// TestClosedPipe: a worker that closes its pipe and lives on is killed.
func TestClosedPipe(t *testing.T) {
	p := newPool(t, 1, func(p *Pool) {
		p.args = []string{nonsenseWorker}
		p.limits.reap = time.Millisecond
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, errs := p.Job(ctx, echo(), executionOf(echo(), doClose))
	if len(errs) == 0 || render.Retryable(errs) || p.exits(reasonProtocol) != 1 {
		t.Errorf("got %v, and %d workers were killed", errs, p.exits(reasonProtocol))
	}
	if got := job(t, p, answerText(t, &answer{jobs: [][]render.Rendered{{{Text: "sense"}}}})); got != "sense" {
		t.Errorf("the next worker: got %q", got)
	}
}

// TestUnknownMetadata: where a template was not examined, any change of its metadata may matter.
func TestUnknownMetadata(t *testing.T) {
	p := newPool(t, 1, func(p *Pool) { p.args = []string{stalledWorker} })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if examined := p.Examine(ctx, echo()); len(examined.Errors) == 0 || !examined.UsesMetadata {
		t.Errorf("got %+v", examined)
	}
}

func TestNumberOfWorkers(t *testing.T) {
	for number, want := range map[int]bool{-1: false, 0: false, 1: true, MaxWorkers: true, MaxWorkers + 1: false} {
		if _, err := NewPool(Options{Workers: number}); (err == nil) != want {
			t.Errorf("%d workers: %v", number, err)
		}
	}
}

// answerText is an answer without its header.
func answerText(t *testing.T, a *answer) string {
	t.Helper()
	frame, err := a.frame()
	if err != nil {
		t.Fatal(err)
	}
	return string(frame[headerSize:])
}

// TestNoWorkerStarts: requests end as errors that may go away, and the health check says why.
func TestNoWorkerStarts(t *testing.T) {
	p := newPool(t, 2, func(p *Pool) {
		p.args = []string{brokenWorker}
		p.limits.wait = 100 * time.Millisecond
	})
	eventually(t, "that the health check fails", func() bool { return p.startError.Load() != nil })
	_, errs := p.Job(t.Context(), echo(), executionOf(echo(), "x"))
	if !render.Retryable(errs) || !strings.Contains(detail(errs), "no render worker can be started") {
		t.Errorf("got %v", errs)
	}
	if p.exits(reasonStart) == 0 {
		t.Error("it was not counted")
	}
}

// TestForkFails: a process that cannot even be made is counted as one that did not start.
func TestForkFails(t *testing.T) {
	p := newPool(t, 1, func(p *Pool) { p.args = []string{"no argument\x00"} })
	eventually(t, "that it was counted", func() bool { return p.exits(reasonStart) > 0 })
	eventually(t, "that the health check says so", func() bool {
		err := p.Check(nil)
		return err != nil && strings.Contains(err.Error(), "no render worker can be started")
	})
}

// TestHealthBeforeTheFirstWorker: a pool without workers yet is not ready.
func TestHealthBeforeTheFirstWorker(t *testing.T) {
	p := stoppedPool(t, 1)
	if p.Check(nil) == nil {
		t.Error("healthy before the start")
	}
	p.Start()
	t.Cleanup(p.Stop)
	eventually(t, "that it is healthy", func() bool { return p.Check(nil) == nil })
}

// TestKilledRightAfterTheStart: workers that are killed before they have done anything are no health, and come at
// intervals.
func TestKilledRightAfterTheStart(t *testing.T) {
	p := newPool(t, 1, func(p *Pool) { p.limits.proof = time.Hour })
	for n := range 3 {
		eventually(t, "that there is a worker", func() bool { return p.running.Load() == 1 && len(p.pids()) == 1 })
		if n > 0 && p.Check(nil) == nil {
			t.Error("healthy as soon as a worker is ready, after one was killed")
		}
		if err := syscall.Kill(p.pids()[0], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "that the health check fails", func() bool {
			return p.exits(reasonKilled) == n+1 && p.startError.Load() != nil && p.Check(nil) != nil
		})
	}
	if got := job(t, p, "fine"); got != "fine" {
		t.Errorf("got %q", got)
	}
	if err := p.Check(nil); err != nil {
		t.Errorf("after a request was answered: %v", err)
	}
}

// TestHealthWhileWorkersEnd: templates cannot take the process out of service.
func TestHealthWhileWorkersEnd(t *testing.T) {
	p := newPool(t, 1)
	reported(t, p)
	for i := range 5 {
		p.Job(t.Context(), echo(), executionOf(echo(), fmt.Sprint(doExit, ":", i)))
		if err := p.Check(nil); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCallerGivesUp: the caller is answered at once, and the worker lives.
func TestCallerGivesUp(t *testing.T) {
	p := newPool(t, 1)
	pid := reported(t, p).PID
	payload, remove := blocker(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan field.ErrorList)
	ask := func(payload string) {
		_, errs := p.Job(ctx, echo(), executionOf(echo(), payload))
		done <- errs
	}
	go ask(payload)
	p.busy(t)
	go ask("one that waits")
	cancel(errors.New("gone"))
	for range 2 {
		if errs := <-done; !render.Retryable(errs) || !strings.Contains(detail(errs), "gone") {
			t.Errorf("got %v", errs)
		}
	}
	remove()
	if again := reported(t, p).PID; again != pid {
		t.Error("the worker was killed")
	}
}

// TestNoWorkerIsFree: a request does not wait for ever.
func TestNoWorkerIsFree(t *testing.T) {
	p := newPool(t, 1, func(p *Pool) { p.limits.wait = time.Millisecond })
	eventually(t, "that the worker waits for requests", func() bool {
		p.queue.mutex.Lock()
		defer p.queue.mutex.Unlock()
		return len(p.queue.idle) == 1
	})
	payload, remove := blocker(t)
	done := make(chan string)
	go func() { done <- job(t, p, payload) }()
	p.busy(t)
	_, errs := p.Job(t.Context(), echo(), executionOf(echo(), "x"))
	if !render.Retryable(errs) || !strings.Contains(detail(errs), "no render worker was free") {
		t.Errorf("got %v", errs)
	}
	remove()
	if got := <-done; got != payload {
		t.Errorf("got %q", got)
	}
}

// TestStop leaves no process, neither an idle one nor one that is busy or starting, and no caller without an answer.
func TestStop(t *testing.T) {
	for name, test := range map[string]struct{ worker, payload string }{
		"busy":     {Command, doSleep},
		"spinning": {Command, doSpin},
		"starting": {deafWorker, "x"},
	} {
		t.Run(name, func(t *testing.T) {
			p := stoppedPool(t, 3, func(p *Pool) {
				p.args = []string{test.worker}
				p.limits.jobCPU, p.limits.wait = time.Hour, time.Hour
			})
			p.Start()
			eventually(t, "that there are workers", func() bool {
				return test.worker == deafWorker && len(p.pids()) == 1 || len(p.pids()) == 3 && p.running.Load() == 3
			})
			pids := p.pids()
			done := make(chan field.ErrorList)
			go func() {
				_, errs := p.Job(context.Background(), echo(), executionOf(echo(), test.payload))
				done <- errs
			}()
			if test.worker != deafWorker {
				p.busy(t)
			}
			p.Stop()
			if errs := <-done; !render.Retryable(errs) {
				t.Errorf("the request ended with %v", errs)
			}
			for _, pid := range pids {
				if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
					t.Errorf("process %d is there: %v", pid, err)
				}
			}
			if _, errs := p.Job(t.Context(), echo(), executionOf(echo(), "x")); !render.Retryable(errs) {
				t.Errorf("a request after the end: %v", errs)
			}
		})
	}
}

func TestReasons(t *testing.T) {
	for _, test := range []struct {
		name, killedFor string
		exit            exit
		words, want     string
	}{
		{"the pool's own kill", reasonCPU, exit{signal: syscall.SIGKILL}, "", reasonCPU},
		{"somebody else's", "", exit{signal: syscall.SIGKILL}, "", reasonKilled},
		{"a signal that it brought on itself", "", exit{signal: syscall.SIGABRT}, "", reasonCrash},
		{"no memory", "", exit{code: 2}, "fatal error: runtime: out of memory\n\nruntime stack:\n", reasonMemory},
		{"no memory for a stack", "", exit{code: 2},
			"runtime: out of memory: cannot allocate 4194304-byte block\nfatal error: out of memory\n", reasonMemory},
		{"a full stack", "", exit{code: 2},
			"runtime: goroutine stack exceeds 16777216-byte limit\nruntime: sp=0x\nfatal error: stack overflow\n", reasonStack},
		{"no thread", "", exit{code: 2},
			"runtime: failed to create new OS thread (have 5 already; errno=11)\n", reasonKilled},
		{"a panic that talks of memory", "", exit{code: 2}, "panic: out of memory\n", reasonCrash},
		{"a panic", "", exit{code: 2}, "panic: runtime error: index out of range\n\ngoroutine 1 [running]:\n", reasonCrash},
		{"an exit", "", exit{code: 0}, "", reasonCrash},
	} {
		if got := reasonOf(test.killedFor, test.exit, test.words); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}
