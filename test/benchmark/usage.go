package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// usage is what processes have used. The memory of several is the sum, in which what they share counts several times.
type usage struct {
	cpu  float64 // seconds
	peak float64 // MiB of memory at most, since resetPeak
	now  float64 // MiB of memory
}

// ticksPerSecond of /proc: the kernel reports in hundredths on every platform.
const ticksPerSecond = 100

func usageOf(pids []int) (usage, error) {
	all := usage{}
	for _, pid := range pids {
		used, err := usageOfProcess(pid)
		if err != nil {
			return usage{}, err
		}
		all.cpu, all.peak, all.now = all.cpu+used.cpu, all.peak+used.peak, all.now+used.now
	}
	return all, nil
}

func usageOfProcess(pid int) (usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, fmt.Errorf("reading the CPU time: %w", err)
	}
	// The name, in parentheses, may hold spaces. After it come the fields from the third on.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	user, userErr := strconv.ParseFloat(fields[11], 64)
	system, systemErr := strconv.ParseFloat(fields[12], 64)
	if userErr != nil || systemErr != nil {
		return usage{}, fmt.Errorf("parsing the CPU time: %s", stat)
	}
	used := usage{cpu: (user + system) / ticksPerSecond}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return usage{}, fmt.Errorf("reading the memory: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
		switch {
		case name == "VmHWM" && err == nil:
			used.peak = kib / 1024
		case name == "VmRSS" && err == nil:
			used.now = kib / 1024
		}
	}
	return used, nil
}

// resetPeak makes the kernel forget the peaks.
func resetPeak(pids []int) error {
	for _, pid := range pids {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
			return fmt.Errorf("resetting the peak of the memory: %w", err)
		}
	}
	return nil
}
