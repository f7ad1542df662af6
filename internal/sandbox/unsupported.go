//go:build !linux

package sandbox

import (
	"errors"
	"os"
	"time"
)

// The limits of a worker are Linux's. Elsewhere this package compiles, for those who vet it, and starts no worker.

var errUnsupported = errors.New("render workers need Linux")

func confine() error { return errUnsupported }

type spawner struct{}

func newSpawner() *spawner { return &spawner{} }

func (s *spawner) stop() {}

type process struct {
	requests, answers *os.File
	words             lastWords
	ended             chan struct{}
}

type lastWords struct{}

func (lastWords) String() string { return "" }

func startProcess(*spawner, []string) (*process, error) { return nil, errUnsupported }

func (p *process) kill(string)            {}
func (p *process) close()                 {}
func (p *process) cpuTime() time.Duration { return 0 }
func (p *process) exit() exit             { return exit{} }
func (p *process) reason() string         { return "" }
func (p *process) pid() int               { return 0 }

func (p *process) usage() (cpu time.Duration, residentKB int64) { return 0, 0 }
