package faults

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// footprint is what etcd was given of one kind.
type footprint struct {
	mu              sync.Mutex
	versions, bytes int
}

// TestFootprint measures what an execution costs in etcd, for docs/scale.md.
func TestFootprint(t *testing.T) {
	if os.Getenv("FAULTS_FOOTPRINT") == "" {
		t.Skip("FAULTS_FOOTPRINT is not set")
	}
	c := newCluster(t, settings{rate: 10})
	kinds := []string{"executions", "Jobs", "pods", "events"}
	seen := map[string]*footprint{}
	for kind, prefix := range map[string]string{
		"executions": "/registry/" + dispatcherv1alpha1.GroupVersion.Group + "/jobexecutions/" + namespace + "/",
		"Jobs":       "/registry/jobs/" + namespace + "/",
		"pods":       "/registry/pods/" + namespace + "/",
		"events":     "/registry/events/" + namespace + "/",
	} {
		counted := &footprint{}
		seen[kind] = counted
		c.follow(prefix, func(e event) {
			counted.mu.Lock()
			defer counted.mu.Unlock()
			if !e.deleted {
				counted.versions++
				counted.bytes += len(e.value)
			}
		})
	}
	const executions = 10
	for n, size := range []int{0, 1500, 16_000, 120_000} {
		for range executions {
			made := &call{request: fmt.Sprintf("%d-%d", n, len(c.ledger.calls)), template: plain,
				payload: digest(strings.Repeat("a", size))}
			c.put(t.Context(), c.replicas[0], made, strings.Repeat("a", size))
			c.ledger.add(made)
		}
		c.settle()
		var all int
		for _, kind := range kinds {
			counted := seen[kind]
			c.eventually(time.Minute, kind+" are seen", func() bool {
				counted.mu.Lock()
				defer counted.mu.Unlock()
				return counted.versions > 0
			})
			counted.mu.Lock()
			t.Logf("payload of %d bytes, %s: %.1f versions, %.1f kB in all, for one execution", size, kind,
				float64(counted.versions)/executions, float64(counted.bytes)/executions/1000)
			all += counted.bytes
			counted.versions, counted.bytes = 0, 0
			counted.mu.Unlock()
		}
		t.Logf("payload of %d bytes: %.1f kB in etcd for one execution", size, float64(all)/executions/1000)
	}
}
