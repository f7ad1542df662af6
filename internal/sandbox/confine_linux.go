package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// confine takes from this process what a render does not need. None of it can be taken back. New privileges were given
// up before this program was started: see spawner.
func confine() error {
	closeInherited()
	unmapProgram()
	data, err := dataSize()
	if err != nil {
		return err
	}
	for _, limit := range []struct {
		name     string
		resource int
		most     uint64
	}{
		{"RLIMIT_CORE", unix.RLIMIT_CORE, 0},
		{"RLIMIT_FSIZE", unix.RLIMIT_FSIZE, 0}, // It writes to pipes, not to files.
		{"RLIMIT_NOFILE", unix.RLIMIT_NOFILE, maxFiles},
		{"RLIMIT_DATA", unix.RLIMIT_DATA, data + maxMemory},
	} {
		if err := unix.Setrlimit(limit.resource, &unix.Rlimit{Cur: limit.most, Max: limit.most}); err != nil {
			return fmt.Errorf("setting %s: %w", limit.name, err)
		}
	}
	// If the container runs out of memory, a worker shall go and not the manager. Where /proc does not let it, the
	// limits above still hold.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	// A worker ends when its pipe does. Signals that are sent to a group or to all processes are not meant for it.
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM)
	return nil
}

// closeInherited closes all files but the three pipes. Go's own files are never inherited, but those are that the
// manager was started with.
func closeInherited() {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, entry := range entries {
		target, err := os.Readlink("/proc/self/fd/" + entry.Name())
		if err != nil || strings.HasPrefix(target, "anon_inode:[event") { // What Go waits for files with.
			continue
		}
		if file, err := strconv.Atoi(entry.Name()); err == nil && file > 2 {
			_ = syscall.Close(file)
		}
	}
}

// dataSize is what RLIMIT_DATA counts of this process: all writable memory of its own. Most of what a Go program has
// of it is never used: tables for a heap of any size, and the stacks of threads that C would use.
func dataSize() (uint64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("reading the size of this process: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmData:"); ok {
			kilobytes, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "kB")), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("reading the size of this process: %w", err)
			}
			return kilobytes << 10, nil
		}
	}
	return 0, errors.New("/proc/self/status does not tell the size of this process")
}

// unmapProgram gives back the pages of the program itself that its start has touched, some 30 MiB. What a render needs
// of them comes back from the page cache, where they are anyway. It only makes the process smaller: where it does not
// work, nothing is lost.
func unmapProgram() {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	program, err := os.Readlink(executable)
	if err != nil {
		return
	}
	for line := range strings.Lines(string(maps)) {
		// 00400000-01ce2000 r-xp 00000000 fd:00 1234 /manager
		columns := strings.Fields(line)
		if len(columns) < 6 || columns[5] != program || strings.Contains(columns[1], "w") {
			continue
		}
		first, last, _ := strings.Cut(columns[0], "-")
		start, err := strconv.ParseUint(first, 16, 64)
		end, err2 := strconv.ParseUint(last, 16, 64)
		if err == nil && err2 == nil {
			_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, uintptr(start), uintptr(end-start), unix.MADV_DONTNEED)
		}
	}
}
