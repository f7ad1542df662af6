package sandbox

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestConfinement asks a worker what it has.
func TestConfinement(t *testing.T) {
	t.Setenv("SECRET", "of the manager")
	// A file as a program can be started with, which Go would not close.
	inherited, err := syscall.Open("/dev/null", syscall.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(inherited) })
	f := reported(t, newPool(t, 1))

	if diff := cmp.Diff([]string{"manager", Command}, f.Args); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	if len(f.Env) > 0 {
		t.Errorf("environment: %q", f.Env)
	}
	for _, file := range f.Files {
		number, target, _ := strings.Cut(file, " ")
		pipe := slices.Contains([]string{"0", "1", "2"}, number) && strings.HasPrefix(target, "pipe:")
		if !pipe && !strings.HasPrefix(target, "anon_inode:[event") {
			t.Errorf("it has a file: %s", file)
		}
	}
	if f.Parent != os.Getpid() || f.Group != f.PID {
		t.Errorf("process %d has the parent %d and the group %d", f.PID, f.Parent, f.Group)
	}
	if f.Dir != "/" {
		t.Errorf("it works in %q", f.Dir)
	}
	if !f.NoNewPrivs {
		t.Error("it may get new privileges")
	}
	if f.OOMScore != "1000" {
		t.Errorf("its oom_score_adj is %s", f.OOMScore)
	}
	data := f.Limits["data"]
	delete(f.Limits, "data")
	if diff := cmp.Diff(map[string]uint64{"core": 0, "size": 0, "files": maxFiles}, f.Limits); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
	if data == 0 || data > 1<<30 {
		t.Errorf("RLIMIT_DATA is %d", data)
	}
}

// TestMemoryOfAFreshWorker: docs/scale.md has the figure.
func TestMemoryOfAFreshWorker(t *testing.T) {
	f := reported(t, newPool(t, 1))
	t.Log(f.MemoryKB)
	kilobytes, err := strconv.Atoi(strings.TrimSuffix(f.MemoryKB["VmRSS"], " kB"))
	if most := 17 << 10; err != nil || kilobytes > most && !underRace {
		t.Errorf("%d kB, want at most %d: %v", kilobytes, most, err)
	}
}

// TestGarbageIsNoMemory: what is not in use any more counts for nothing.
func TestGarbageIsNoMemory(t *testing.T) {
	p := newPool(t, 1)
	for range 20 {
		job(t, p, doGarbage)
	}
}

// TestParentIsKilled: a worker goes with its parent, even one that never looks at its pipe.
func TestParentIsKilled(t *testing.T) {
	// Orphans become our children, so that their end can be waited for.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) }()
	parent := exec.Command(executable, parentOfPool)
	parent.Stderr = os.Stderr
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var f facts
	if err := json.Unmarshal(line, &f); err != nil {
		t.Fatal(err)
	}
	if f.Parent != parent.Process.Pid {
		t.Fatalf("the worker's parent is %d, not %d", f.Parent, parent.Process.Pid)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	var status syscall.WaitStatus
	_, err = syscall.Wait4(f.PID, &status, 0, nil)
	if errors.Is(err, syscall.ECHILD) && errors.Is(syscall.Kill(f.PID, 0), syscall.ESRCH) {
		return // The parent noticed the end of the worker before its own was complete.
	}
	if err != nil || status.Signal() != syscall.SIGKILL {
		t.Errorf("the worker ended with %v, %v", status, err)
	}
}

// TestThreadsThatEnd: the kernel kills a worker when the thread ends that started it, which must not be its caller's.
func TestThreadsThatEnd(t *testing.T) {
	s := newSpawner()
	defer s.stop()
	var worker *process
	thread := os.Getpid() // The first thread never ends.
	for thread == os.Getpid() {
		started := make(chan struct{})
		go func() {
			defer close(started)
			runtime.LockOSThread() // Never unlocked: the thread ends with this goroutine.
			if thread = unix.Gettid(); thread == os.Getpid() {
				return
			}
			var err error
			if worker, err = startProcess(s, []string{Command}); err != nil {
				t.Error(err)
			}
		}()
		<-started
	}
	eventually(t, "that the thread has ended", func() bool { return !exists("/proc/self/task/" + strconv.Itoa(thread)) })
	allowed := newAllowance(worker, startTimeout, startTimeout)
	if _, err := allowed.read(); err != nil {
		t.Errorf("the worker is not ready: %v", err)
	}
	worker.kill(reasonShutdown)
	worker.close()
}
