package controlplane

import (
	"fmt"
	"os"
	"strings"
)

// IsRenderWorker says whether a process runs and is a render worker, of any manager.
func IsRenderWorker(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || string(line) != "manager\x00render-worker\x00" {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	// 12 (name) S 1 ...
	_, state, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(state, "Z")
}
