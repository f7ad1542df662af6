package controlplane

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// Process is a child process and what it has printed.
type Process struct {
	command *exec.Cmd
	output  *Output
	done    chan struct{}
	err     error
}

// startProcess starts a program whose standard output and error go to output. Without variables, it gets those of this
// process.
func startProcess(output *Output, variables []string, path string, args ...string) (*Process, error) {
	command := exec.Command(path, args...)
	command.Env = variables
	command.Stdout, command.Stderr = output, output
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", filepath.Base(path), err)
	}
	p := &Process{command: command, output: output, done: make(chan struct{})}
	go func() {
		p.err = command.Wait()
		close(p.done)
	}()
	return p, nil
}

// Kill ends the process as a crash of the machine would, and returns when it is gone.
func (p *Process) Kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// Terminate asks the process to end, as the kubelet does, and does not wait.
func (p *Process) Terminate() { p.signal(syscall.SIGTERM) }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// ExitCode waits for the end and returns the exit code, -1 after a signal.
func (p *Process) ExitCode() int {
	<-p.done
	return p.command.ProcessState.ExitCode()
}

func (p *Process) signal(s syscall.Signal) {
	// An error says that the process has ended already, which is what the caller wants.
	_ = p.command.Process.Signal(s)
}

// Output collects what processes print. It is safe for concurrent use.
type Output struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

// Write appends to the output.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.Write(p)
}

// String returns everything so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()
}

// Len returns how many bytes were written so far.
func (o *Output) Len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.Len()
}

// Tail returns the end of the output, for an error message. The probes that failed until then are left out.
func (o *Output) Tail() string {
	const enough = 40
	var kept []string
	for line := range strings.Lines(o.String()) {
		if !strings.Contains(line, "healthz check failed") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept[max(0, len(kept)-enough):], "")
}
