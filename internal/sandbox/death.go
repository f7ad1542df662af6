package sandbox

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Reasons why a worker ends, as the metric counts them.
const (
	reasonMemory   = "memory"   // An allocation failed: see maxMemory.
	reasonStack    = "stack"    // A recursion met the limit of the stack.
	reasonCrash    = "crash"    // It ended by itself in another way.
	reasonCPU      = "cpu"      // The pool killed it: the request took too much CPU time.
	reasonTime     = "time"     // The pool killed it: the request took too long, but no CPU time.
	reasonProtocol = "protocol" // The pool killed it: its answer was none.
	reasonKilled   = "killed"   // Somebody else killed it, or the machine gave it no thread.
	reasonShutdown = "shutdown" // The pool ended.
	reasonStart    = "start"    // It never said that it was ready.
)

var allReasons = []string{
	reasonMemory,
	reasonStack,
	reasonCrash,
	reasonCPU,
	reasonTime,
	reasonProtocol,
	reasonKilled,
	reasonShutdown,
	reasonStart,
}

// exit is how a process ended, by the kernel's word.
type exit struct {
	signal syscall.Signal // 0 where it exited
	code   int
}

// ownSignals are those that a process brings on itself.
var ownSignals = []syscall.Signal{
	syscall.SIGABRT,
	syscall.SIGBUS,
	syscall.SIGFPE,
	syscall.SIGILL,
	syscall.SIGSEGV,
	syscall.SIGTRAP,
}

// reasonOf says why a process has ended. The kernel's word comes first: a Go program that fails exits, and one that
// dies by a signal was killed. The pool's own kills are known. What is left for a killed worker is somebody outside:
// the kernel when the container runs out of memory, or an operator. An exit is the worker's own doing; of which kind,
// the first words of Go's runtime tell. A worker that lied about that would get another message, and the same
// treatment, or one more try.
func reasonOf(killedFor string, e exit, words string) string {
	switch {
	case killedFor != "":
		return killedFor
	case e.signal != 0 && !slices.Contains(ownSignals, e.signal):
		return reasonKilled
	case has(words, "failed to create new OS thread", "pthread_create failed"):
		return reasonKilled
	case has(words, "fatal error: stack overflow", "stack exceeds"):
		return reasonStack
	case has(words, "out of memory", "cannot allocate memory", "cannot map pages"):
		return reasonMemory
	}
	return reasonCrash
}

// has says whether the first lines of Go's runtime have one of the phrases. A panic's message is not the runtime's.
func has(words string, phrases ...string) bool {
	const firstLines = 4
	for i, line := range strings.Split(words, "\n") {
		if i == firstLines {
			return false
		}
		if !strings.HasPrefix(line, "runtime: ") && !strings.HasPrefix(line, "runtime/cgo: ") &&
			!strings.HasPrefix(line, "fatal error: ") {
			continue
		}
		for _, phrase := range phrases {
			if strings.Contains(line, phrase) {
				return true
			}
		}
	}
	return false
}

// jobTemplatePath is where a JobTemplate holds its Job, and the path of what cannot be told more precisely.
var jobTemplatePath = field.NewPath("spec", "jobTemplate")

// final is the error of a request that ended its worker. To try it again would end another one.
func final(format string, args ...any) field.ErrorList {
	return field.ErrorList{field.Invalid(jobTemplatePath, field.OmitValueType{}, fmt.Sprintf(format, args...))}
}

// retryable is the error of a request that was not carried out. It says nothing about the template.
func retryable(format string, args ...any) field.ErrorList {
	return field.ErrorList{field.InternalError(jobTemplatePath, fmt.Errorf(format, args...))}
}

var errStopped = errors.New("the render workers are being stopped")

// blame returns the final error of a request whose worker ended for a reason, or none if the request is not to blame.
func (p *Pool) blame(reason string, c *call) field.ErrorList {
	switch reason {
	case reasonMemory:
		return final("rendering took more than %d MiB of memory", maxMemory>>20)
	case reasonStack:
		return final("rendering ended the render worker (stack overflow)")
	case reasonCrash:
		return final("rendering ended the render worker")
	case reasonCPU:
		return final("rendering took more than %v of CPU time", p.cpuLimit(c.kind))
	case reasonProtocol:
		return final("rendering made the render worker give an invalid answer")
	}
	return nil
}
