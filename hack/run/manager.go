package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	binary = "bin/manager"

	httpAddress    = "127.0.0.1:8000"
	metricsAddress = "127.0.0.1:8080"
	healthAddress  = "127.0.0.1:8081"

	// readyTimeout is the time for the manager to become ready.
	readyTimeout = time.Minute

	// stopTimeout is the time for the manager to stop. It waits up to 40 s for HTTP requests to finish.
	stopTimeout = 50 * time.Second
)

// manager is the manager's process.
type manager struct {
	command *exec.Cmd
	ended   chan struct{} // closed after err is set
	err     error
}

// startManager starts the manager in a new process group, so that Ctrl-C in the terminal does not reach it. The manager
// must be stopped after the webhooks are unregistered.
func startManager(certificates string, args []string) (*manager, error) {
	for _, address := range []string{httpAddress, metricsAddress, healthAddress, webhookAddress} {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return nil, fmt.Errorf("is another manager running? %w", err)
		}
		if err := listener.Close(); err != nil {
			return nil, err
		}
	}
	m := &manager{ended: make(chan struct{}), command: exec.Command(binary, append([]string{
		"--web-server-bind-address=" + httpAddress,
		"--health-probe-bind-address=" + healthAddress,
		"--metrics-bind-address=" + metricsAddress,
		"--metrics-secure=false",
		"--webhook-bind-address=" + webhookAddress,
		"--webhook-cert-path=" + certificates,
	}, args...)...)}
	m.command.Stdout, m.command.Stderr = os.Stdout, os.Stderr
	m.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := m.command.Start(); err != nil {
		return nil, fmt.Errorf("starting the manager: %w", err)
	}
	go func() {
		m.err = m.command.Wait()
		close(m.ended)
	}()
	return m, nil
}

// waitUntilReady returns when the manager is ready, or ctx ends.
func (m *manager) waitUntilReady(ctx context.Context) error {
	deadline := time.After(readyTimeout)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-m.ended:
			return m.exitError()
		case <-deadline:
			return fmt.Errorf("the manager was not ready after %s", readyTimeout)
		case <-tick.C:
			response, err := http.Get("http://" + healthAddress + "/readyz")
			if err != nil {
				continue
			}
			if err := response.Body.Close(); err == nil && response.StatusCode == http.StatusOK {
				return nil
			}
		}
	}
}

// wait returns when ctx ends. It returns an error if the manager exits first.
func (m *manager) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-m.ended:
		return m.exitError()
	}
}

// stop stops the manager if it still runs.
func (m *manager) stop() error {
	select {
	case <-m.ended:
		return nil // wait has reported this
	default:
	}
	if err := m.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping the manager: %w", err)
	}
	select {
	case <-m.ended:
		if m.err != nil {
			return m.exitError()
		}
		return nil
	case <-time.After(stopTimeout):
		err := fmt.Errorf("the manager did not stop within %s and was killed", stopTimeout)
		return errors.Join(err, m.command.Process.Kill())
	}
}

// exitError is the error of a manager that exited by itself.
func (m *manager) exitError() error {
	if m.err == nil {
		return errors.New("the manager exited")
	}
	return fmt.Errorf("the manager exited: %w", m.err)
}
