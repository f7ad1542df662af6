package sandbox

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sys/unix"
)

// Other workers than a good one.
const (
	nonsenseWorker = "nonsense-worker"
	stalledWorker  = "stalled-worker"
	deafWorker     = "deaf-worker"
	brokenWorker   = "broken-worker"
	parentOfPool   = "parent"
)

// workNonsense is a worker that answers what the payload says, byte for byte, in a frame or without one.
func workNonsense() error {
	if err := send(os.Stdout, &answer{}); err != nil {
		return err
	}
	in := bufio.NewReader(os.Stdin)
	for {
		content, err := readFrame(in)
		if err != nil {
			return err
		}
		r, err := parseRequest(content)
		if err != nil {
			return err
		}
		if r.payload == doClose {
			return closeAndStay()
		}
		raw, unframed := strings.CutPrefix(r.payload, "raw:")
		said := []byte(raw)
		if !unframed {
			if said, err = seal(append(newFrame(0), r.payload...)); err != nil {
				return err
			}
		}
		if _, err := os.Stdout.Write(said); err != nil {
			return err
		}
	}
}

// closeAndStay closes the pipe for answers, and lives on.
func closeAndStay() error {
	if err := os.Stdout.Close(); err != nil {
		return err
	}
	time.Sleep(time.Hour)
	return nil
}

// workStalled is a worker that says that it is ready, and does not read any request.
func workStalled() error {
	if err := send(os.Stdout, &answer{}); err != nil {
		return err
	}
	time.Sleep(time.Hour)
	return nil
}

// facts are what a worker finds out about itself.
type facts struct {
	Args, Env, Files []string
	Parent, Group    int
	PID              int
	Dir              string
	NoNewPrivs       bool
	OOMScore         string
	Limits           map[string]uint64
	MemoryKB         map[string]string
}

// report returns the facts as JSON.
func report() string {
	f := facts{
		Args: os.Args, Env: os.Environ(), Parent: os.Getppid(), Group: syscall.Getpgrp(), PID: os.Getpid(),
		Limits: map[string]uint64{}, MemoryKB: map[string]string{},
	}
	f.Dir, _ = os.Getwd()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err.Error()
	}
	for _, entry := range entries {
		target, err := os.Readlink("/proc/self/fd/" + entry.Name())
		if err == nil { // The folder's own is gone by now.
			f.Files = append(f.Files, entry.Name()+" "+target)
		}
	}
	privileges, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	f.NoNewPrivs = err == nil && privileges == 1
	score, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		return err.Error()
	}
	f.OOMScore = strings.TrimSpace(string(score))
	for name, resource := range map[string]int{
		"core": unix.RLIMIT_CORE, "data": unix.RLIMIT_DATA, "files": unix.RLIMIT_NOFILE, "size": unix.RLIMIT_FSIZE,
	} {
		var limit unix.Rlimit
		if err := unix.Getrlimit(resource, &limit); err != nil {
			return err.Error()
		}
		f.Limits[name] = limit.Max
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err.Error()
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		if strings.HasPrefix(name, "Vm") || strings.HasPrefix(name, "Rss") || name == "Threads" {
			f.MemoryKB[name] = strings.TrimSpace(value)
		}
	}
	text, err := json.Marshal(f)
	if err != nil {
		return fmt.Sprint(err)
	}
	return string(text)
}

// runParent has a pool whose only worker spins, says which process that is, and waits to be killed.
func runParent() error {
	p, err := NewPool(Options{Workers: 1, Log: logr.Discard()})
	if err != nil {
		return err
	}
	p.limits.jobCPU = time.Hour
	p.Start()
	template := echo()
	job, errs := p.Job(context.Background(), template, executionOf(template, doReport))
	if len(errs) > 0 {
		return errs.ToAggregate()
	}
	fmt.Println(job.Annotations["payload"])
	p.Job(context.Background(), template, executionOf(template, doSpin))
	return nil
}
