package sandbox

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dispatcher.ivan.vc/internal/render"
)

// BenchmarkJob renders the sample, in a worker that knows it and in this process, one request after the other.
// docs/performance.md has the figures.
func BenchmarkJob(b *testing.B) {
	for _, size := range []int{3, 4 << 10, 250 << 10} {
		for name, renderer := range map[string]func() render.Renderer{
			"worker":  func() render.Renderer { return newPool(b, DefaultWorkers) },
			"process": func() render.Renderer { return render.NewDirect(1) },
		} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				renderer, template := renderer(), echo()
				if size < 100 {
					template = sample(b)
				}
				execution := executionOf(template, strings.Repeat("x", size))
				var times []time.Duration
				b.ReportAllocs()
				for b.Loop() {
					begun := time.Now()
					if _, errs := renderer.Job(b.Context(), template, execution); len(errs) > 0 {
						b.Fatal(errs)
					}
					times = append(times, time.Since(begun))
				}
				slices.Sort(times)
				b.ReportMetric(float64(times[len(times)/2].Microseconds()), "us-median")
				b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "us-p99")
			})
		}
	}
}

// BenchmarkManyCallers renders the sample for 32 callers at a time. Half of the renders are for admission and half for
// the controller, as each execution needs them.
func BenchmarkManyCallers(b *testing.B) {
	p, template := newPool(b, DefaultWorkers), sample(b)
	var callers atomic.Int64
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		origin := []string{render.OriginController, render.OriginWebhook}[callers.Add(1)%2]
		ctx := render.WithOrigin(b.Context(), origin)
		for pb.Next() {
			if _, errs := p.Job(ctx, template, executionOf(template, "x")); len(errs) > 0 {
				b.Error(errs)
			}
		}
	})
}

// BenchmarkExamine examines the sample, as admission does.
func BenchmarkExamine(b *testing.B) {
	p, template := newPool(b, DefaultWorkers), sample(b)
	for b.Loop() {
		if examined := p.Examine(b.Context(), template); len(examined.Errors) > 0 {
			b.Fatal(examined.Errors)
		}
	}
}

// BenchmarkStart starts a worker and waits until it is ready.
func BenchmarkStart(b *testing.B) {
	p := stoppedPool(b, 1)
	p.spawner = newSpawner()
	defer p.spawner.stop()
	starts := make(chan struct{}, 1)
	var resident int
	for b.Loop() {
		worker, err := p.startWorker(starts)
		if err != nil {
			b.Fatal(err)
		}
		resident = residentKB(b, worker.pid())
		worker.kill(reasonShutdown)
		p.bury(worker, nil)
	}
	b.ReportMetric(float64(resident), "kB-resident")
}

func residentKB(b *testing.B, pid int) int {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kilobytes, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		b.Fatal(err)
	}
	return kilobytes
}
