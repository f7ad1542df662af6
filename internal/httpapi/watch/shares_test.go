package watch

import (
	"context"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/budget"
)

// Addresses of callers.
const (
	slow  = "10.0.0.1:1"
	quick = "10.0.0.2:1"
)

func look(t *testing.T, s *Subscription) *Copy {
	t.Helper()
	found, err := s.Look(t.Context(), execution(metav1.ConditionUnknown))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// ofShare is how much of the share of an address is taken, which has 25 bytes.
func (r *reader) ofShare(remote string) int64 {
	for free := int64(25); free > 0; free-- {
		if claim := r.memory.TryTakeApart(remote, 0, free); claim != nil {
			claim.Release()
			return 25 - free
		}
	}
	return 25
}

func (r *reader) wantShares(t *testing.T, when string, ofSlow, ofQuick int64) {
	t.Helper()
	if got := [2]int64{r.ofShare(slow), r.ofShare(quick)}; got != [2]int64{ofSlow, ofQuick} {
		t.Errorf("%s: %d bytes are of the shares, want %d and %d", when, got, ofSlow, ofQuick)
	}
}

// A copy counts in the share of each address that has it, once, and for as long as one of its calls has it.
func TestACopyIsOfTheSharesOfAllWhoHaveIt(t *testing.T) {
	r, w := newReader(func() (*dispatcherv1alpha1.JobExecution, error) {
		small := execution(metav1.ConditionTrue)
		small.Spec.Payload = ""
		return small, nil
	})
	first := look(t, w.Subscribe(key, slow))
	second := look(t, w.Subscribe(key, slow)) // This is another read: nobody waited for a change.
	r.wantShares(t, "two reads", 2, 0)
	first.Release()
	second.Release()
	r.wantShares(t, "released", 0, 0)

	var subscriptions []*Subscription
	for _, remote := range []string{slow, slow, quick} {
		s := w.Subscribe(key, remote)
		s.Changed()
		subscriptions = append(subscriptions, s)
	}
	w.Notify(execution(metav1.ConditionTrue), false)
	reads := r.reads.Load()
	copies := []*Copy{look(t, subscriptions[0]), look(t, subscriptions[1]), look(t, subscriptions[2])}
	if got := r.reads.Load() - reads; got != 1 {
		t.Errorf("%d reads, want 1", got)
	}
	r.wantShares(t, "shared", 1, 1)
	for n, want := range []struct{ ofSlow, ofQuick int64 }{{21, 1}, {21, 1}, {21, 21}} {
		encoded, err := copies[n].Encoded("form", func(*dispatcherv1alpha1.JobExecution) ([]byte, error) {
			return []byte(strings.Repeat("x", 21)), nil
		}, memoryFor{r.memory, subscriptions[n].remote})
		if err != nil || len(encoded) != 21 {
			t.Fatalf("%d bytes, error %v", len(encoded), err)
		}
		r.wantShares(t, "encoded", want.ofSlow, want.ofQuick)
	}
	copies[2].Release()
	r.wantShares(t, "the quick one has released it", 21, 0)
	copies[0].Release()
	r.wantShares(t, "one of the slow ones has", 21, 0)
	copies[1].Release()
	r.wantShares(t, "all have", 0, 0)
	r.wantAllBack(t)
}

// memoryFor is the Memory of a call from a remote address.
type memoryFor struct {
	*budget.Bytes
	remote string
}

// Try implements Memory.
func (m memoryFor) Try(all, share int64) *budget.Claim { return m.TryTakeApart(m.remote, all, share) }

// Await implements Memory.
func (m memoryFor) Await(all, share int64) (*budget.Claim, error) {
	return m.TakeApart(context.Background(), m.remote, all, share)
}

// A call of an address that has its share waits for that, and not with a payload kept for it, nor are others kept from
// theirs.
func TestAnAddressWithItsShareWaits(t *testing.T) {
	r, w := newReader(func() (*dispatcherv1alpha1.JobExecution, error) { return execution(metav1.ConditionTrue), nil })
	share := r.memory.TryTakeApart(slow, 0, 25)
	late, early := w.Subscribe(key, slow), w.Subscribe(key, quick)
	late.Changed()
	early.Changed()
	w.Notify(execution(metav1.ConditionTrue), false)
	found := make(chan *Copy)
	go func() { found <- look(t, late) }()
	for w.isBehind(late) { // until it waits for its share
	}
	look(t, early).Release()
	r.wantAllBack(t)
	share.Release()
	(<-found).Release()
	r.wantAllBack(t)
	r.wantShares(t, "at the end", 0, 0)
}

func (w *Watcher) isBehind(s *Subscription) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return s.behind
}

// A payload is kept only for a call that looks at it at once.
func TestNothingIsKeptForBusyCalls(t *testing.T) {
	for reason, prepare := range map[string]func(*Subscription){
		"it has not waited yet":          func(*Subscription) {},
		"it is busy":                     func(s *Subscription) { s.Changed(); s.Busy() },
		"it has the execution as it was": func(s *Subscription) { s.Changed(); t.Cleanup(look(t, s).Release) },
	} {
		t.Run(reason, func(t *testing.T) {
			r, w := newReader(func() (*dispatcherv1alpha1.JobExecution, error) {
				return execution(metav1.ConditionTrue), nil
			})
			busy, other := w.Subscribe(key, slow), w.Subscribe(key, quick)
			prepare(busy)
			other.Changed()
			w.Notify(execution(metav1.ConditionTrue), false)
			look(t, other).Release()
			rest := 100 - r.ofShare(slow)
			if claim := r.memory.TryTakeApart("", rest, rest); claim == nil {
				t.Error("the execution is kept")
			}
		})
	}
}
