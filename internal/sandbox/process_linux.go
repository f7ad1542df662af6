package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// executable is this program, also where its file was replaced meanwhile.
const executable = "/proc/self/exe"

// spawner starts processes from one thread, which lasts as long as the pool: the kernel kills a child with PDEATHSIG
// when the thread ends that started it.
type spawner struct {
	commands chan *exec.Cmd
	results  chan error
}

func newSpawner() *spawner {
	s := &spawner{commands: make(chan *exec.Cmd), results: make(chan error)}
	go s.run()
	return s
}

func (s *spawner) run() {
	// Never unlocked: the thread ends with this goroutine.
	runtime.LockOSThread()
	// Children inherit this from the thread. Without it, a worker could start a program that has more rights than it.
	privileges := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	for command := range s.commands {
		if privileges != nil {
			s.results <- fmt.Errorf("giving up new privileges: %w", privileges)
			continue
		}
		s.results <- command.Start()
	}
}

// start starts a command. One caller at a time.
func (s *spawner) start(command *exec.Cmd) error {
	s.commands <- command
	return <-s.results
}

// stop ends the thread. Processes that are left are killed.
func (s *spawner) stop() { close(s.commands) }

// process is a worker's process.
type process struct {
	command           *exec.Cmd
	requests, answers *os.File
	words             lastWords

	// ended is closed when the process is gone and reaped.
	ended chan struct{}
	// killedFor is why the pool killed it.
	killedFor atomic.Pointer[string]
}

// startProcess starts a worker with nothing but pipes.
func startProcess(s *spawner, args []string) (*process, error) {
	p := &process{ended: make(chan struct{})}
	in, requests, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	defer func() { _ = in.Close() }()
	answers, out, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making a pipe: %w", err), requests.Close())
	}
	defer func() { _ = out.Close() }()
	p.requests, p.answers = requests, answers
	p.command = &exec.Cmd{
		Path:   executable,
		Args:   append([]string{"manager"}, args...),
		Env:    []string{},
		Dir:    "/",
		Stdin:  in,
		Stdout: out,
		Stderr: &p.words,
		// A killed process leaves no child that could keep the pipe of its last words open. This is for what cannot
		// be.
		WaitDelay: time.Second,
		SysProcAttr: &syscall.SysProcAttr{
			Setpgid:   true, // A Ctrl-C at the manager's terminal is for the manager.
			Pdeathsig: syscall.SIGKILL,
		},
	}
	if err := s.start(p.command); err != nil {
		return nil, errors.Join(fmt.Errorf("starting a render worker: %w", err), requests.Close(), answers.Close())
	}
	go func() {
		_ = p.command.Wait() // What it says is in ProcessState.
		close(p.ended)
	}()
	return p, nil
}

// kill ends the process and keeps the first reason.
func (p *process) kill(reason string) {
	p.killedFor.CompareAndSwap(nil, &reason)
	_ = p.command.Process.Kill() // An error says that it has ended already.
}

// reason waits for the end and says why it came.
func (p *process) reason() string {
	killedFor := ""
	if reason := p.killedFor.Load(); reason != nil {
		killedFor = *reason
	}
	return reasonOf(killedFor, p.exit(), p.words.String())
}

func (p *process) pid() int { return p.command.Process.Pid }

// usage waits for the end and returns the CPU time and the most resident memory, in kilobytes, of the whole life.
func (p *process) usage() (cpu time.Duration, residentKB int64) {
	<-p.ended
	state := p.command.ProcessState
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		residentKB = usage.Maxrss
	}
	return state.UserTime() + state.SystemTime(), residentKB
}

// close waits until the process is gone, and gives back its pipes.
func (p *process) close() {
	<-p.ended
	_, _ = p.requests.Close(), p.answers.Close()
}

// cpuTime is how much CPU time the process has taken, 0 once it has ended.
func (p *process) cpuTime() time.Duration {
	// clock_getcpuclockid(3): the CPU clock of another process.
	const processClock = 2
	clock := int32(^p.command.Process.Pid<<3 | processClock)
	var now unix.Timespec
	if err := unix.ClockGettime(clock, &now); err != nil {
		return 0
	}
	return time.Duration(now.Nano())
}

// exit waits for the end.
func (p *process) exit() exit {
	<-p.ended
	status, ok := p.command.ProcessState.Sys().(syscall.WaitStatus)
	if !ok {
		return exit{code: -1}
	}
	if status.Signaled() {
		return exit{signal: status.Signal()}
	}
	return exit{code: status.ExitStatus()}
}

// lastWords keeps the beginning of what a process prints when it dies. It is for the log, and for nobody else: a panic
// can print parts of a template or of a payload.
type lastWords struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

const maxLastWords = 4 << 10

var _ io.Writer = &lastWords{}

// Write is part of io.Writer.
func (w *lastWords) Write(text []byte) (int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.text.Write(text[:min(len(text), maxLastWords-w.text.Len())])
	return len(text), nil
}

func (w *lastWords) String() string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.text.String()
}
