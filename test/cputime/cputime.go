// Package cputime lets a test bound the work of what it calls. On the wall, a busy machine takes any time for anything.
package cputime

import (
	"fmt"
	"syscall"
	"time"
)

// Of returns how much CPU time this process used while do ran, in all of its goroutines.
func Of(do func()) time.Duration {
	begin := used()
	do()
	return used() - begin
}

func used() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(fmt.Sprintf("getrusage: %v", err)) // It fails only for what the man page does not know.
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
