package controlplane

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Memory is how many bytes the process and its descendants have in memory together. What several of them map, like
// the program itself, counts for each: a container's limit counts it once.
func (m *Manager) Memory() int64 {
	var sum int64
	for _, pid := range family(m.PID()) {
		sum += resident(pid)
	}
	return sum
}

// Descendants are the processes that the process has started, and those that they have started.
func (m *Manager) Descendants() []int { return family(m.PID())[1:] }

// family is a process and all its descendants. One that ends meanwhile may be missing.
func family(pid int) []int {
	members := []int{pid}
	for i := 0; i < len(members); i++ {
		// The children of each thread. There is no error to tell: the process has ended.
		threads := filepath.Join("/proc", strconv.Itoa(members[i]), "task")
		entries, _ := os.ReadDir(threads) // Not a glob, which would list the folder of each thread: this is called often.
		for _, entry := range entries {
			children, _ := os.ReadFile(filepath.Join(threads, entry.Name(), "children"))
			for child := range strings.FieldsSeq(string(children)) {
				if number, err := strconv.Atoi(child); err == nil {
					members = append(members, number)
				}
			}
		}
	}
	return members
}

// resident is how many bytes of a process are in memory, 0 if it has ended.
func resident(pid int) int64 {
	content, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
	fields := bytes.Fields(content)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}
