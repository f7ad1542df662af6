// Package watch is how calls wait for a JobExecution to change: whoever waits is told of each change, and nobody
// holds a payload meanwhile. When it is over, the execution is read again, once for all who wait for the same change.
//
// It must not write anything, and it does not decide who may wait, or how many.
package watch
