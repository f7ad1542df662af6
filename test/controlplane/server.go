package controlplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// Server is etcd or the API server. It can be ended and started again, at the same address and with the same data.
// It is not safe for concurrent use.
type Server struct {
	name      string
	output    *Output
	variables []string
	command   []string
	ready     func(ctx context.Context) bool

	// process is nil when it was ended. Somebody else waits for it.
	process *os.Process
}

// terminationGracePeriod is how long a server may take to end.
const terminationGracePeriod = 5 * time.Second

// adopt finds the child process whose command line mentions folder. envtest starts it, and tells neither its process
// nor its flags.
func adopt(
	name, folder string, output *Output, variables []string, ready func(ctx context.Context) bool,
) (*Server, error) {
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	for _, path := range lines {
		content, err := os.ReadFile(path)
		if err != nil {
			continue // It has ended since.
		}
		command := strings.Split(strings.TrimSuffix(string(content), "\x00"), "\x00")
		mentions := func(arg string) bool { return strings.Contains(arg, folder) }
		if filepath.Base(command[0]) != name || !slices.ContainsFunc(command[1:], mentions) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			return nil, fmt.Errorf("reading the number of a process: %w", err)
		}
		process, err := os.FindProcess(pid)
		if err != nil {
			return nil, fmt.Errorf("looking for the process of %s: %w", name, err)
		}
		return &Server{
			name: name, output: output, variables: variables, command: command, ready: ready, process: process,
		}, nil
	}
	return nil, fmt.Errorf("no process of %s mentions %s", name, folder)
}

// Kill ends the process as a crash of its machine would, and returns when it is gone.
func (s *Server) Kill() error { return s.end(syscall.SIGKILL) }

// Terminate asks the process to end, and returns when it is gone. It is killed if it takes long: the API server waits a
// minute for clients that keep their connections busy.
func (s *Server) Terminate() error {
	process := s.process
	killer := time.AfterFunc(terminationGracePeriod, func() { _ = process.Signal(syscall.SIGKILL) })
	defer killer.Stop()
	return s.end(syscall.SIGTERM)
}

// Start starts the process again, if it was ended, and returns when it is ready, which it must be within two minutes.
func (s *Server) Start(ctx context.Context) error {
	if s.process == nil {
		started, err := startProcess(s.output, s.variables, s.command[0], s.command[1:]...)
		if err != nil {
			return err
		}
		s.process = started.command.Process
	}
	err := wait.PollUntilContextTimeout(
		ctx,
		100*time.Millisecond,
		2*time.Minute,
		true,
		func(ctx context.Context) (bool, error) {
			return s.ready(ctx), nil
		},
	)
	if err != nil {
		return fmt.Errorf("waiting until %s is ready: %w\n%s", s.name, err, s.output.Tail())
	}
	return nil
}

func (s *Server) end(signal syscall.Signal) error {
	if s.process == nil {
		return nil
	}
	// envtest waits for the first one. Signal 0 asks only whether it is still there.
	for err := s.process.Signal(signal); !errors.Is(err, os.ErrProcessDone); err = s.process.Signal(syscall.Signal(0)) {
		if err != nil {
			return fmt.Errorf("ending %s: %w", s.name, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.process = nil
	return nil
}
