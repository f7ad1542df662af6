package leader

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// observedLock tells a Lease what is read from and written to its object.
type observedLock struct {
	resourcelock.Interface
	lease *Lease
}

// Get implements resourcelock.Interface. The elector tries for a while to get a Lease back that somebody else holds;
// the term is over at once.
func (l *observedLock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	if apierrors.IsNotFound(err) || err == nil && record.HolderIdentity != l.Identity() {
		l.lease.Lost()
	}
	return record, raw, err
}

// Create implements resourcelock.Interface.
func (l *observedLock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.write(func() error { return l.Interface.Create(ctx, record) })
}

// Update implements resourcelock.Interface.
func (l *observedLock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.write(func() error { return l.Interface.Update(ctx, record) })
}

// write notes the time before the request: it may take long, and the others count from when it took effect.
func (l *observedLock) write(request func() error) error {
	sent := l.lease.clock.Now()
	err := request()
	if err == nil {
		l.lease.Renewed(sent)
	}
	return err
}
