package gotemplate

import (
	"context"
	"fmt"
	"time"
)

// limits bound what one render may use. All templates of a set draw on the same budget.
type limits struct {
	// steps are loop iterations, and twice that for template calls and function calls. Work on large values counts as
	// more. All steps together take about a second at most.
	steps int
	// output is how many bytes all templates may print together. etcd takes objects of 1.5 MiB.
	output int
	// value is how many bytes one value that a function takes or makes may have.
	value int
	// total is how many bytes all values that functions make may have together, whether still used or not.
	total int
	// depth is how deep templates may call each other.
	depth int
	// levels is how deep blocks may be nested in such templates, all of them together. Each level takes some of the
	// stack.
	levels int
	// time is for a machine that is slow or a function that is slower than its steps say: the other limits come first,
	// and unlike this one they always come at the same point. It is for callers whose context has no deadline.
	time time.Duration
}

var defaultLimits = limits{
	steps:  1_000_000,
	output: 2 << 20,
	value:  8 << 20,
	total:  24 << 20,
	depth:  100,
	levels: 2000,
	time:   2 * time.Second,
}

// callSteps are the steps of a call: it takes longer than a loop iteration.
const callSteps = 2

// clockInterval is after how many steps the clock is read.
const clockInterval = 128

// limitError says that a render came to one of its limits. It ends the whole render.
type limitError struct{ what string }

func (e *limitError) Error() string { return "the template exceeds " + e.what }

// sizeText writes a number of bytes.
func sizeText(n int) string {
	if n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}

// stoppedError says that a render was stopped by the clock or by its caller. It says nothing about the template: the
// same render may succeed at another time.
type stoppedError struct{ cause error }

func (e *stoppedError) Error() string { return "stopped: " + e.cause.Error() }
func (e *stoppedError) Unwrap() error { return e.cause }

// budget is what is left of the limits in one render.
type budget struct {
	limits   limits
	ctx      context.Context
	deadline time.Time

	steps, output, total, depth, levels int
	nextClock                           int

	meter meter

	// hint is what the message about a missing value should add, if there is one.
	hint string

	// binaryFrom is the function that first made binary data in the template that is being rendered, if one did.
	binaryFrom string
}

func newBudget(ctx context.Context, limits limits) budget {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(limits.time)
	}
	return budget{limits: limits, ctx: ctx, deadline: deadline, nextClock: clockInterval}
}

// step takes n steps.
func (b *budget) step(n int) error {
	if n < 0 || n > b.limits.steps-b.steps {
		b.steps = b.limits.steps
		return &limitError{fmt.Sprintf("its limit of %d steps", b.limits.steps)}
	}
	b.steps += n
	if b.steps < b.nextClock {
		return nil
	}
	b.nextClock = b.steps + clockInterval
	return b.clock()
}

// clock says whether the time is up or the caller has gone.
func (b *budget) clock() error {
	if err := b.ctx.Err(); err != nil {
		return &stoppedError{err}
	}
	if time.Now().After(b.deadline) {
		return &stoppedError{fmt.Errorf("rendering took longer than %v", b.limits.time)}
	}
	return nil
}

// write takes n bytes of output.
func (b *budget) write(n int) error {
	if n > b.limits.output-b.output {
		return &limitError{fmt.Sprintf("its limit of %s of output", sizeText(b.limits.output))}
	}
	b.output += n
	return nil
}

// measure returns the extent of values together. Those that are too large for a value are refused.
func (b *budget) measure(values ...any) (all extent, err error) {
	for _, v := range values {
		e, err := b.meter.measure(v, 0)
		if err != nil {
			return e, err
		}
		all.join(e)
	}
	if all.memory > b.limits.value {
		return all, b.valueError()
	}
	return all, b.visited()
}

// visited takes steps for what the meter has walked.
func (b *budget) visited() error {
	n := b.meter.visited
	b.meter.visited = 0
	return b.step(n / 8)
}

// walk takes the steps of reading all of a value.
func (b *budget) walk(e extent) error { return b.step(e.nodes/8 + e.text/256) }

func (b *budget) valueError() error {
	return &limitError{fmt.Sprintf("its limit of %s for one value", sizeText(b.limits.value))}
}

// fits says whether a value of n bytes may be made at all. It is asked before the value is made.
func (b *budget) fits(n int) error {
	if n < 0 || n > b.limits.value {
		return b.valueError()
	}
	if n > b.limits.total-b.total {
		return &limitError{fmt.Sprintf("its limit of %s for all values together", sizeText(b.limits.total))}
	}
	return nil
}

// made takes the n bytes of a value that was made.
func (b *budget) made(n int) error {
	if err := b.fits(n); err != nil {
		return err
	}
	b.total += n
	return nil
}

// enter and leave count how deep templates call each other. levels is how deep the blocks in the template are nested.
func (b *budget) enter(levels int) (string, error) {
	b.depth++
	b.levels += levels
	switch {
	case b.depth > b.limits.depth:
		return "", &limitError{fmt.Sprintf("its limit of %d templates that call each other", b.limits.depth)}
	case b.levels > b.limits.levels:
		return "", &limitError{
			fmt.Sprintf("its limit of %d nested blocks in templates that call each other", b.limits.levels),
		}
	}
	return "", b.step(callSteps)
}

func (b *budget) leave(levels int) string {
	b.depth--
	b.levels -= levels
	return ""
}

// iterate is the head of every loop body.
func (b *budget) iterate() (string, error) {
	return "", b.step(1)
}
