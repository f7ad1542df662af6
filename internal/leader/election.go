package leader

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/util/retry"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlleaderelection "sigs.k8s.io/controller-runtime/pkg/leaderelection"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	// leaseDuration is for how long the Lease lasts that is not renewed. Others acquire it afterwards.
	leaseDuration = 15 * time.Second

	// retryPeriod is the time between two renewals, or between two tries to acquire the Lease.
	retryPeriod = 2 * time.Second

	// releaseTimeout bounds how long a process that stops waits for the work of its term, and then for the API server.
	releaseTimeout = 5 * time.Second

	// unfitLimit is for how long a leader may be unable to do its work before it leaves that to another replica.
	unfitLimit = 10 * time.Second
)

// Election competes for the Lease for as long as the process runs. It never ends the process.
type Election struct {
	name  string
	lock  resourcelock.Interface
	lease *Lease
	fit   func() error

	leaseDuration, retryPeriod, unfitLimit time.Duration
}

// Options name the object that the replicas compete for.
type Options struct {
	// Name of the Lease.
	Name string

	// Namespace of the Lease. Empty means the pod's own, which takes a process that runs in a cluster.
	Namespace string

	// Fit returns why this process could not do the leader's work, or nil. A process that is not fit does not compete,
	// and gives the Lease up after a while. Nil means that it is always fit.
	Fit func() error
}

// NewElection returns an election that keeps lease up to date. It has to be added to the manager.
func NewElection(mgr ctrl.Manager, lease *Lease, options Options) (*Election, error) {
	lock, err := ctrlleaderelection.NewResourceLock(mgr.GetConfig(), mgr, ctrlleaderelection.Options{
		LeaderElection:          true,
		LeaderElectionID:        options.Name,
		LeaderElectionNamespace: options.Namespace,
		RenewDeadline:           RenewDeadline,
	})
	if err != nil {
		return nil, fmt.Errorf("preparing the leader election: %w", err)
	}
	lease.log = mgr.GetLogger().WithName("leader")
	return &Election{
		name: options.Name, lock: lock, lease: lease, fit: options.Fit,
		leaseDuration: leaseDuration, retryPeriod: retryPeriod, unfitLimit: unfitLimit,
	}, nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: every replica competes.
func (e *Election) NeedLeaderElection() bool { return false }

// Start implements manager.Runnable. When ctx ends, it ends the term, waits for the work of it, and releases the Lease,
// so that the next leader does not have to wait until it expires.
func (e *Election) Start(ctx context.Context) error {
	lock := &observedLock{Interface: e.lock, lease: e.lease, patience: e.leaseDuration}
	for e.becomeFit(ctx) {
		elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Name:          e.name,
			Lock:          lock,
			LeaseDuration: e.leaseDuration,
			RenewDeadline: e.lease.deadline,
			RetryPeriod:   e.retryPeriod,
			// The elector's own release takes the Lease from whoever acquired it meanwhile.
			ReleaseOnCancel: false,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(context.Context) {},
				OnStoppedLeading: e.lease.Lost,
			},
		})
		if err != nil {
			return fmt.Errorf("preparing the leader election: %w", err)
		}
		if !e.runWhileFit(ctx, elector) {
			e.release(ctx)
		}
	}
	e.release(ctx)
	return nil
}

// release gives the Lease up if this process holds it.
func (e *Election) release(ctx context.Context) {
	e.lease.Lost()
	if !e.lease.Idle(releaseTimeout) {
		log.FromContext(ctx).
			Info("not releasing the Lease, since work of the leader has not ended", "lease", e.lock.Describe())
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		record, _, err := e.lock.Get(ctx)
		if err != nil || record.HolderIdentity != e.lock.Identity() {
			return err
		}
		now := metav1.Now()
		return e.lock.Update(ctx, resourcelock.LeaderElectionRecord{
			LeaderTransitions:    record.LeaderTransitions,
			LeaseDurationSeconds: 1,
			AcquireTime:          now,
			RenewTime:            now,
		})
	})
	if err != nil {
		log.FromContext(ctx).
			Info("the Lease was not released and has to expire", "lease", e.lock.Describe(), "error", err.Error())
	}
}
