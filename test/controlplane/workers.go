package controlplane

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Workers returns the process ids of the manager's render workers: its child processes.
func (m *Manager) Workers() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	var workers []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if state, parent := processStat(pid); parent == m.PID() && state != "Z" {
			workers = append(workers, pid)
		}
	}
	return workers, nil
}

// IsRenderWorker says whether a process runs and is a render worker, of any manager.
func IsRenderWorker(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	state, _ := processStat(pid)
	return err == nil && state != "Z" && string(line) == "manager\x00render-worker\x00"
}

// processStat returns the state and the parent of a process, and nothing if there is no such process.
func processStat(pid int) (state string, parent int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0
	}
	// 12 (the name, which may have spaces) S 1 ...
	_, rest, _ := strings.Cut(string(text), ") ")
	if columns := strings.Fields(rest); len(columns) > 1 {
		parent, _ = strconv.Atoi(columns[1])
		return columns[0], parent
	}
	return "", 0
}
