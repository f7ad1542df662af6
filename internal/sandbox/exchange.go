package sandbox

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"time"
)

// allowance is what one request may take of a process.
type allowance struct {
	process         *process
	cpu, wall       time.Duration
	cpuBefore       time.Duration
	began, deadline time.Time
}

func newAllowance(p *process, cpu, wall time.Duration) *allowance {
	now := time.Now()
	return &allowance{process: p, cpu: cpu, wall: wall, cpuBefore: p.cpuTime(), began: now, deadline: now.Add(wall)}
}

// used is the CPU time since the request began.
func (a *allowance) used() time.Duration { return max(a.process.cpuTime()-a.cpuBefore, 0) }

// next is when to look again: a process with one thread cannot take more CPU time than passes on the clock.
func (a *allowance) next() time.Time {
	const shortest = 20 * time.Millisecond
	next := time.Now().Add(max(a.cpu-a.used(), shortest))
	if next.After(a.deadline) {
		return a.deadline
	}
	return next
}

// enforce kills a process that has taken too much.
func (a *allowance) enforce() error {
	switch {
	case a.used() > a.cpu:
		a.process.kill(reasonCPU)
	case !time.Now().Before(a.deadline):
		a.process.kill(reasonTime)
	default:
		return nil
	}
	return errTooMuch
}

var errTooMuch = errors.New("the request took too much time")

// exchange writes a frame and reads the frame that answers it. A process that takes too much meanwhile is killed.
func (a *allowance) exchange(frame []byte) ([]byte, error) {
	if err := a.write(frame); err != nil {
		return nil, err
	}
	return a.read()
}

func (a *allowance) read() ([]byte, error) {
	var header [headerSize]byte
	if err := a.readFull(header[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(header[:])
	if size > maxFrame {
		return nil, errFrameTooLarge
	}
	content := make([]byte, size)
	return content, a.readFull(content)
}

func (a *allowance) write(frame []byte) error {
	return a.transfer(frame, a.process.requests.SetWriteDeadline, a.process.requests.Write)
}

func (a *allowance) readFull(into []byte) error {
	return a.transfer(into, a.process.answers.SetReadDeadline, a.process.answers.Read)
}

// transfer calls move until all of buffer is moved, and looks after the process in between.
func (a *allowance) transfer(buffer []byte, setDeadline func(time.Time) error, move func([]byte) (int, error)) error {
	for len(buffer) > 0 {
		if err := setDeadline(a.next()); err != nil {
			return err
		}
		n, err := move(buffer)
		buffer = buffer[n:]
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			if err := a.enforce(); err != nil {
				return err
			}
		case err != nil && len(buffer) > 0:
			return err
		case n == 0 && err == nil:
			return io.ErrNoProgress
		}
	}
	return nil
}
