package watch

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/budget"
	"dispatcher.ivan.vc/internal/httpapi/problem"
	"dispatcher.ivan.vc/internal/httpapi/store"
)

var key = types.NamespacedName{Namespace: "default", Name: "n"}

func execution(succeeded metav1.ConditionStatus) *dispatcherv1alpha1.JobExecution {
	return &dispatcherv1alpha1.JobExecution{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "n", UID: "u"},
		Spec:       dispatcherv1alpha1.JobExecutionSpec{Payload: strings.Repeat("x", smallPayload+1)},
		Status: dispatcherv1alpha1.JobExecutionStatus{
			Conditions: []metav1.Condition{{Type: dispatcherv1alpha1.ConditionSucceeded, Status: succeeded}},
		},
	}
}

// reader answers reads, each of which takes one byte of a budget.
type reader struct {
	memory *budget.Bytes
	reads  atomic.Int64
	answer func() (*dispatcherv1alpha1.JobExecution, error)
}

func newReader(answer func() (*dispatcherv1alpha1.JobExecution, error)) (*reader, *Watcher) {
	r := &reader{memory: budget.NewBytes(100, time.Hour, nil), answer: answer}
	return r, New(func(ctx context.Context, _ types.NamespacedName) (*Copy, error) {
		r.reads.Add(1)
		claim, err := r.memory.Take(ctx, "", 1)
		if err != nil {
			return nil, err
		}
		found, err := r.answer()
		if err != nil {
			claim.Release()
			return nil, err
		}
		return NewCopy(found, claim), nil
	}, r)
}

// Source implements Shares.
func (r *reader) Source(remote string) netip.Addr { return r.memory.Source(remote) }

// Try implements Shares.
func (r *reader) Try(remote string) *budget.Claim { return r.memory.TryTakeApart(remote, 0, 1) }

// Take implements Shares.
func (r *reader) Take(ctx context.Context, remote string) (*budget.Claim, error) {
	return r.memory.TakeApart(ctx, remote, 0, 1)
}

// wantAllBack checks that no memory is held.
func (r *reader) wantAllBack(t *testing.T) {
	t.Helper()
	claim, err := r.memory.Take(t.Context(), "", 100)
	if err != nil {
		t.Fatalf("memory is held: %v", err)
	}
	claim.Release()
}

// Whoever looks after a change gets the one read that was made since, at once or later, and the last gives it back.
func TestOneReadForAChange(t *testing.T) {
	r, w := newReader(func() (*dispatcherv1alpha1.JobExecution, error) { return execution(metav1.ConditionTrue), nil })
	var subscriptions []*Subscription
	for range 5 {
		subscriptions = append(subscriptions, w.Subscribe(key, ""))
	}
	for change := range int64(3) {
		for _, s := range subscriptions {
			s.Changed()
		}
		w.Notify(execution(metav1.ConditionTrue), false)
		var wait sync.WaitGroup
		for _, s := range subscriptions[:3] { // at once
			wait.Go(func() {
				<-s.Changed()
				found, err := s.Look(t.Context(), execution(metav1.ConditionUnknown))
				if err != nil {
					t.Error(err)
					return
				}
				found.Release()
			})
		}
		wait.Wait()
		found, err := subscriptions[3].Look(t.Context(), execution(metav1.ConditionUnknown)) // later
		if err != nil {
			t.Fatal(err)
		}
		subscriptions[4].Skip()
		found.Release()
		if got := r.reads.Load(); got != change+1 {
			t.Errorf("%d reads after %d changes", got, change+1)
		}
		r.wantAllBack(t)
	}
	w.Notify(execution(metav1.ConditionTrue), false)
	found, err := subscriptions[0].Look(t.Context(), execution(metav1.ConditionUnknown))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range subscriptions { // Those that are behind end without a look.
		s.Close()
		s.Close()
	}
	found.Release()
	r.wantAllBack(t)
	if w.Subscriptions() != 0 || len(w.topics) != 0 {
		t.Error("subscriptions are left")
	}
}

// A change after a read makes another read, so that nobody gets a state that is older than what was announced.
func TestAChangeEndsTheReadBefore(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	r, w := newReader(func() (*dispatcherv1alpha1.JobExecution, error) {
		entered <- struct{}{}
		<-release
		return execution(metav1.ConditionTrue), nil
	})
	first, second := w.Subscribe(key, ""), w.Subscribe(key, "")
	defer first.Close()
	defer second.Close()
	look := func(s *Subscription, wait *sync.WaitGroup) {
		wait.Go(func() {
			found, err := s.Look(t.Context(), execution(metav1.ConditionUnknown))
			if err != nil {
				t.Error(err)
				return
			}
			found.Release()
		})
	}
	var wait sync.WaitGroup
	w.Notify(execution(metav1.ConditionUnknown), false)
	look(first, &wait)
	<-entered
	w.Notify(execution(metav1.ConditionTrue), false)
	look(second, &wait)
	<-entered
	close(release)
	wait.Wait()
	first.Skip()
	if got := r.reads.Load(); got != 2 {
		t.Errorf("%d reads, want 2", got)
	}
	r.wantAllBack(t)
}

func TestLookAtWhatIsGone(t *testing.T) {
	away := errors.New("away")
	another := execution(metav1.ConditionTrue)
	another.UID = "another"
	for _, test := range []struct {
		reason   string
		seen     *dispatcherv1alpha1.JobExecution // as it was deleted
		read     *dispatcherv1alpha1.JobExecution
		err      error
		notFound bool
		last     bool
	}{
		{"it finished before", execution(metav1.ConditionTrue), nil, store.NotFound(another), true, true},
		{"it did not", execution(metav1.ConditionUnknown), nil, store.NotFound(another), true, false},
		{"another has its name", execution(metav1.ConditionTrue), another, nil, true, true},
		{"another had its name", another, nil, store.NotFound(another), true, false},
		{"nobody knows", execution(metav1.ConditionTrue), nil, away, false, false},
	} {
		r, w := newReader(func() (*dispatcherv1alpha1.JobExecution, error) { return test.read, test.err })
		s := w.Subscribe(key, "")
		w.Notify(toolscache.DeletedFinalStateUnknown{Obj: test.seen}, true)
		before := execution(metav1.ConditionUnknown)
		before.Kind = "JobExecution" // A typed client leaves it out.
		before.Spec.Payload = "p"
		before.Spec.Caller = &dispatcherv1alpha1.Caller{Username: "alice"}
		before.Labels = map[string]string{"team": "data"} // The informer has left them out.
		found, err := s.Look(t.Context(), before)
		if problem.Is(err, problem.ExecutionNotFound) != test.notFound || (found != nil) != test.last || err == nil {
			t.Errorf("%s: got %v, error %v", test.reason, found, err)
		}
		if found != nil && (!found.IsFinished() || found.Labels["team"] != "data" || found.Kind != before.Kind ||
			!equality.Semantic.DeepEqual(found.Spec, before.Spec)) {
			t.Errorf("%s: got %+v", test.reason, found.JobExecution)
		}
		s.Close()
		r.wantAllBack(t)
	}
}

func TestAwait(t *testing.T) {
	stopping := errors.New("stopping")
	for _, test := range []struct {
		reason    string
		end       func(ctx context.Context, cancel context.CancelCauseFunc) context.Context
		wantReads int64
	}{
		{"the caller hangs up", func(ctx context.Context, cancel context.CancelCauseFunc) context.Context {
			cancel(nil)
			return ctx
		}, 0},
		{"the server stops", func(ctx context.Context, cancel context.CancelCauseFunc) context.Context {
			cancel(stopping)
			return ctx
		}, 1},
		{"the time is over", func(ctx context.Context, _ context.CancelCauseFunc) context.Context {
			ctx, cancel := context.WithTimeout(ctx, time.Nanosecond)
			t.Cleanup(cancel)
			return ctx
		}, 1},
	} {
		r, w := newReader(func() (*dispatcherv1alpha1.JobExecution, error) { return execution(metav1.ConditionUnknown), nil })
		s := w.Subscribe(key, "")
		first, err := w.get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		found, err := s.AwaitFrom(test.end(ctx, cancel), first, (*dispatcherv1alpha1.JobExecution).IsFinished)
		if err != nil || found.IsFinished() {
			t.Errorf("%s: got %v, error %v", test.reason, found, err)
		}
		if got := r.reads.Load() - 1; got != test.wantReads {
			t.Errorf("%s: %d reads, want %d", test.reason, got, test.wantReads)
		}
		found.Release()
		s.Close()
		cancel(nil)
		r.wantAllBack(t)
	}
}

func TestWithoutPayload(t *testing.T) {
	for payload, want := range map[string]string{
		"":                                  "",
		strings.Repeat("x", smallPayload):   strings.Repeat("x", smallPayload),
		strings.Repeat("x", smallPayload+1): "",
	} {
		full := execution(metav1.ConditionTrue)
		full.Spec.Payload = payload
		full.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": payload, "a": "b"}
		got := WithoutPayload(full)
		if got.Spec.Payload != want || len(got.Annotations) != 1 || got.UID != full.UID || !got.IsFinished() {
			t.Errorf("%d bytes: got %+v", len(payload), got)
		}
		if full.Spec.Payload != payload || len(full.Annotations) != 2 {
			t.Errorf("%d bytes: the execution was changed", len(payload))
		}
	}
}
