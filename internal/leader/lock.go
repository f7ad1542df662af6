package leader

import (
	"bytes"
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// observedLock tells a Lease what is read from and written to its object.
type observedLock struct {
	resourcelock.Interface
	lease *Lease

	// patience is how long to wait for the Lease without a word in the log.
	patience time.Duration

	// waiting is since when others hold the Lease, and said when the log said so last. Only the elector reads and
	// writes the object.
	waiting, said time.Time

	// raw is the object as it was read last, and renewed when it was first read like this.
	raw     []byte
	renewed time.Time
}

// sayEvery is the time between two lines in the log about others that hold the Lease.
const sayEvery = time.Minute

// Get implements resourcelock.Interface. The elector tries for a while to get a Lease back that somebody else holds;
// the term is over at once.
func (l *observedLock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	if apierrors.IsNotFound(err) || err == nil && record.HolderIdentity != l.Identity() {
		l.lease.Lost()
	}
	if err == nil && record.HolderIdentity != l.Identity() {
		l.sayWhoLeads(record.HolderIdentity, raw)
	}
	return record, raw, err
}

// sayWhoLeads says in the log, at intervals, for whom this replica waits. A replica that does not renew the Lease does
// not lead, whatever the object says.
func (l *observedLock) sayWhoLeads(holder string, raw []byte) {
	now := l.lease.clock.Now()
	if l.renewed.IsZero() || !bytes.Equal(raw, l.raw) {
		l.raw, l.renewed = raw, now
	}
	if l.waiting.IsZero() {
		l.waiting = now
	}
	waited := now.Sub(l.waiting)
	if waited > l.patience && (l.said.IsZero() || now.Sub(l.said) >= sayEvery) {
		l.said = now
		message := "another replica leads"
		if holder == "" || now.Sub(l.renewed) > l.patience {
			message = "nobody leads: the holder of the Lease does not renew it, and this replica has not acquired it"
		}
		l.lease.log.Info(message, "holder", holder, "waited", waited.Round(time.Second).String())
	}
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
		l.waiting, l.said = time.Time{}, time.Time{}
		l.lease.Renewed(sent)
	}
	return err
}
