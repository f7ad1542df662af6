package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

const (
	// heldCallers is how many callers there are in the turns with and without held executions.
	heldCallers = 8

	// heldWriters is how many writers store the executions to be held.
	heldWriters = 32

	// heldTTL keeps them for longer than the benchmark lasts.
	heldTTL = 24 * 60 * 60
)

// holding is what was measured with some number of executions held.
type holding struct {
	startUp  time.Duration
	resident float64 // MiB
	heap     float64 // MiB that are in use
	results  table
}

// measureHeld compares the manager without finished executions and with many.
func (b *bench) measureHeld(ctx context.Context) (string, error) {
	b.manager.Kill()
	without, err := b.hold(ctx)
	if err != nil {
		return "", err
	}
	b.manager.Kill()
	progress("storing %d finished executions", b.held)
	if err := b.withoutWebhooks(ctx, b.storeFinished); err != nil {
		return "", err
	}
	with, err := b.hold(ctx)
	if err != nil {
		return "", err
	}
	return b.compare(ctx, without, with), nil
}

// hold starts the manager and measures it, with what is stored now.
func (b *bench) hold(ctx context.Context) (holding, error) {
	begin := time.Now()
	if err := b.startManager(ctx); err != nil {
		return holding{}, err
	}
	h := holding{startUp: time.Since(begin), results: table{}}
	progress("the manager was ready after %.1f s", h.startUp.Seconds())
	if err := b.warmUp(ctx); err != nil {
		return h, err
	}
	used, err := usageOf(b.managerProcesses())
	if err != nil {
		return h, err
	}
	heap, err := b.manager.Metric(ctx, "go_gc_heap_live_bytes", nil)
	if err != nil {
		return h, err
	}
	h.resident, h.heap = used.now, heap/(1<<20)
	for round := range b.rounds {
		contenders := b.contenders()[1:]
		for i := range contenders {
			c := contenders[(i+round)%len(contenders)]
			m, err := b.runTurn(ctx, c, heldCallers, b.turn)
			if err != nil {
				return h, err
			}
			h.results[cell{c.name, heldCallers}] = append(h.results[cell{c.name, heldCallers}], m)
			progress("round %d, %-10s: %4.0f Jobs/s, to Job p50 %.1f ms", round+1, c.name, m[jobs], m[toJob50])
		}
	}
	return h, nil
}

func (b *bench) compare(ctx context.Context, without, with holding) string {
	var out strings.Builder
	_, _ = fmt.Fprintf(&out, "| | none held | %d held |\n|---|---|---|\n", b.held)
	_, _ = fmt.Fprintf(
		&out, "| from start to ready | %.1f s | %.1f s |\n", without.startUp.Seconds(), with.startUp.Seconds(),
	)
	_, _ = fmt.Fprintf(&out, "| resident memory | %.0f MiB | %.0f MiB |\n", without.resident, with.resident)
	_, _ = fmt.Fprintf(&out, "| heap in use | %.0f MiB | %.0f MiB |\n", without.heap, with.heap)
	for _, q := range []quantity{jobs, answer50, toJob50} {
		_, _ = fmt.Fprintf(&out, "| %s, %d callers | %s | %s |\n", q, heldCallers,
			without.results.text(dispatcher, heldCallers, q), with.results.text(dispatcher, heldCallers, q))
	}
	each := func(before, after float64) float64 { return (after - before) * 1024 / float64(b.held) }
	_, _ = fmt.Fprintf(&out, "\nA held execution takes %.1f KiB of resident memory, %.1f KiB of it heap in use.\n\n",
		each(without.resident, with.resident), each(without.heap, with.heap))
	slower := func(h holding) float64 {
		value, _ := h.results.ratio(dispatcher, rawRun, heldCallers, toJob50)
		return value
	}
	out.WriteString(goal("median from PUT to Job, ratio to the raw client, with finished executions by without",
		slower(with)/slower(without), "at most", 1.1))
	out.WriteString(goal("seconds from start to ready", with.startUp.Seconds(), "at most", 30))
	return out.String() + "\n" + b.machine(ctx)
}

// withoutWebhooks calls do while no webhook is registered.
func (b *bench) withoutWebhooks(ctx context.Context, do func(context.Context) error) error {
	removed, err := b.removeWebhooks(ctx)
	if err != nil {
		return err
	}
	err = do(ctx)
	for _, configuration := range removed {
		configuration.SetResourceVersion("")
		configuration.SetUID("")
		err = errors.Join(err, b.admin.Create(ctx, configuration))
	}
	return err
}

// storeFinished stores executions that have finished, as they are kept until their TTL.
func (b *bench) storeFinished(ctx context.Context) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "held"}}
	if err := b.admin.Create(ctx, namespace); err != nil {
		return fmt.Errorf("making a namespace: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var writing sync.WaitGroup
	for range heldWriters {
		writing.Go(func() {
			for n := next.Add(1); n <= int64(b.held) && ctx.Err() == nil; n = next.Add(1) {
				if err := b.storeFinishedExecution(ctx, fmt.Sprintf("%s-%010d", templateName, n)); err != nil {
					cancel(err)
				}
			}
		})
	}
	writing.Wait()
	return context.Cause(ctx)
}

func (b *bench) storeFinishedExecution(ctx context.Context, name string) error {
	execution := &dispatcherv1alpha1.JobExecution{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "held",
			Name:      name,
			Labels:    map[string]string{dispatcherv1alpha1.LabelJobTemplate: templateName},
			Annotations: map[string]string{
				dispatcherv1alpha1.AnnotationRequestID:  "fb58856b-4fd6-48fe-97cf-9ff461f4b352",
				dispatcherv1alpha1.AnnotationReceivedAt: time.Now().UTC().Format(time.RFC3339Nano),
			},
		},
		Spec: dispatcherv1alpha1.JobExecutionSpec{
			JobTemplateName:         templateName,
			Payload:                 payload,
			TTLSecondsAfterFinished: new(int32(heldTTL)),
		},
	}
	// A configuration that was removed is heeded for another moment.
	const tries = 5
	err := b.admin.Create(ctx, execution)
	for range tries {
		if err == nil || !strings.Contains(err.Error(), "webhook") {
			break
		}
		time.Sleep(time.Second)
		err = b.admin.Create(ctx, execution)
	}
	if err != nil {
		return fmt.Errorf("storing an execution: %w", err)
	}
	patch, err := json.Marshal(map[string]any{"status": succeededStatus(jobNamed(name, execution.UID))})
	if err != nil {
		return err
	}
	if err := b.admin.Status().Patch(ctx, execution, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return fmt.Errorf("writing a status: %w", err)
	}
	return nil
}
