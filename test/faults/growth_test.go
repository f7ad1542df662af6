package faults

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// size is how much of the machine a process holds.
type size struct {
	of                             process
	goroutines, files, bytes, heap float64 // heap is what was in use after the last garbage collection, in bytes
	age                            time.Duration
}

func (s size) String() string {
	return fmt.Sprintf("%s, %.0f s old: %.0f goroutines, %.0f open files, %.0f MiB, of them %.1f MiB of heap in use",
		s.of, s.age.Seconds(), s.goroutines, s.files, s.bytes/(1<<20), s.heap/(1<<20))
}

// What a process may hold more at the end than when it had warmed up. The pools of connections and of memory breathe.
const (
	moreGoroutines = 40
	moreFiles      = 30
	timesBytes     = 1.5
	moreBytes      = 48 << 20

	// remembered is what the controller's two caches of what it started and wrote last hold when they are full: 8,192
	// entries each, 571 bytes for both (measured). They are empty when a soak begins.
	remembered = 8192 * 571

	// moreHeap is for a process that holds no execution any more. The 3 MiB are for maps and pools, which keep the size
	// they once had.
	moreHeap = remembered + 3<<20
)

// forgetting is how long the heap may take to be what it was: client-go's recorder holds each event, 1.3 kB, for six
// minutes, to find out whether it is one of a series, and looks every six minutes.
const forgetting = 15 * time.Minute

const heapMetric = "go_gc_heap_live_bytes"

func (s size) grewFrom(before size) bool {
	return s.goroutines > before.goroutines+moreGoroutines || s.files > before.files+moreFiles ||
		s.bytes > before.bytes*timesBytes+moreBytes
}

// sizes measures the replicas.
func (c *cluster) sizes(ctx context.Context) []size {
	all := make([]size, 0, len(c.replicas))
	for _, r := range c.replicas {
		measured, err := r.size(ctx)
		must(c.t, err)
		all = append(all, measured)
	}
	return all
}

func (r *replica) size(ctx context.Context) (size, error) {
	measured := size{of: r.process()}
	var start float64
	for name, into := range map[string]*float64{
		"go_goroutines": &measured.goroutines, "process_open_fds": &measured.files,
		"process_resident_memory_bytes": &measured.bytes, heapMetric: &measured.heap,
		"process_start_time_seconds": &start,
	} {
		value, err := r.Metric(ctx, name, nil)
		if err != nil {
			return size{}, err
		}
		*into = value
	}
	measured.age = time.Since(time.Unix(int64(start), 0))
	return measured, nil
}

// compareSizes fails the test if a replica holds more than the larger one did before anything broke: the leader has the
// controller's workers, and it may be the other one by now.
func (c *cluster) compareSizes(before, after []size) {
	most := before[0]
	for _, s := range before[1:] {
		most.goroutines, most.files, most.bytes = max(most.goroutines, s.goroutines), max(most.files,
			s.files), max(most.bytes, s.bytes)
	}
	for i := range after {
		c.logf("before: %v; after: %v", before[i], after[i])
		if after[i].grewFrom(most) {
			c.t.Errorf("it grew: before: %v; after: %v", before, after[i])
		}
	}
}

// logSpared tells how far the replica that a soak spares has grown, if it answers.
func (c *cluster) logSpared() {
	if spared, err := c.replicas[0].size(c.t.Context()); err == nil {
		c.logf("%v", spared)
	}
}

// compareHeap deletes all executions, and fails the test if the replica that a soak has spared is another process by
// now, or then has more in use than before. What it held until then were, above all, executions without a TTL.
func (c *cluster) compareHeap(ctx context.Context, before size) {
	spared := c.replicas[0]
	if now := spared.process(); now != before.of {
		c.t.Errorf("%v is %v by now: what it would have grown to in %v was not seen", before.of, now, c.duration)
	}
	must(c.t, c.admin.DeleteAllOf(ctx, &dispatcherv1alpha1.JobExecution{}, client.InNamespace(namespace)))
	c.logf("all executions are deleted; before the first one: %v", before)
	defer c.logSpared()
	c.eventually(forgetting, fmt.Sprintf("no more than %.1f MiB of heap in use beyond that", float64(moreHeap)/(1<<20)),
		func() bool {
			heap, err := spared.Metric(ctx, heapMetric, nil)
			return err == nil && heap <= before.heap+moreHeap
		})
}
