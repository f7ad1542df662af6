package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

// Workers of these tests are this test's binary, as workers of the manager are the manager's. The first argument says
// which.
var commands = map[string]func() error{
	Command: func() error {
		return work(func() render.Renderer { return &badRenderer{Renderer: render.NewDirect(maxTemplates)} })
	},
	nonsenseWorker: workNonsense,
	stalledWorker:  workStalled,
	deafWorker:     func() error { select {} },
	brokenWorker:   func() error { return fmt.Errorf("no worker today") },
	parentOfPool:   runParent,
}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if command := commands[os.Args[1]]; command != nil {
			if err := command(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			return
		}
	}
	os.Exit(m.Run())
}

// badRenderer does what the payload says, and renders where it says nothing. The renderer's own budget refuses all
// known templates that would do the same.
type badRenderer struct{ render.Renderer }

const (
	doOverflow = "please overflow the stack"
	doAllocate = "please allocate without end"
	doBigSlice = "please allocate at once"
	doSpin     = "please spin"
	doWork     = "please work hard"
	doSleep    = "please sleep"
	doPanic    = "please panic"
	doExit     = "please exit"
	doReport   = "please report"
	doGarbage  = "please make garbage"
	doGiveUp   = "please give up after spinning"
	doLate     = "please give up after sleeping"
	doClose    = "please close the pipe"
	doWait     = "please wait while there is" // a file
)

func (b *badRenderer) Render(
	ctx context.Context, template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution,
) render.Rendering {
	do, argument, _ := strings.Cut(execution.Spec.Payload, ":")
	switch do {
	case doOverflow:
		overflow(0)
	case doAllocate:
		for kept := [][]byte{}; ; {
			kept = append(kept, make([]byte, 1<<20))
			clear(kept[len(kept)-1])
			for i := range kept[len(kept)-1] {
				kept[len(kept)-1][i] = 1
			}
		}
	case doBigSlice:
		sink = make([]byte, 1<<30)
	case doSpin:
		for i := 0; ; i++ {
			counter += i
		}
	case doGiveUp, doLate: // As the renderer does when its time on the clock is over.
		for begun := cpuTime(); do == doGiveUp && cpuTime()-begun < 370*time.Millisecond; {
			counter++
		}
		late := field.InternalError(jobTemplatePath, errors.New("took longer than 2s"))
		return render.Rendering{Errors: field.ErrorList{late}}
	case doWork:
		for begun := cpuTime(); cpuTime()-begun < heavyCPU*6/5; {
			counter++
		}
	case doSleep:
		time.Sleep(time.Hour)
	case doPanic:
		panic("secret of the payload")
	case doExit:
		os.Exit(3)
	case doGarbage:
		for range 48 {
			sink = make([]byte, 1<<20)
		}
	case doWait:
		for _, err := os.Stat(argument); err == nil; _, err = os.Stat(argument) {
			time.Sleep(time.Millisecond)
		}
	case doReport:
		execution.Spec.Payload = report()
	}
	return b.Renderer.Render(ctx, template, execution)
}

var (
	sink    []byte
	counter int
)

func overflow(n int) int {
	if n < 0 {
		return 0
	}
	return overflow(n+1) + counter
}

// cpuTime is what this process has taken.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
