package leader

import (
	"context"
	"time"

	"k8s.io/client-go/tools/leaderelection"
)

// becomeFit waits until this process can do the leader's work. It returns false when ctx ends.
func (e *Election) becomeFit(ctx context.Context) bool {
	for ctx.Err() == nil {
		if e.unfit() == nil {
			return true
		}
		e.pause(ctx)
	}
	return false
}

// runWhileFit runs an elector until it loses the Lease, ctx ends, or this process has been unable to do the leader's
// work for too long. It returns false in the last case: the Lease is to be released then.
func (e *Election) runWhileFit(ctx context.Context, elector *leaderelection.LeaderElector) bool {
	running, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer cancel()
		elector.Run(running)
	}()
	stayedFit := true
	fit := time.Now()
	for running.Err() == nil {
		err := e.unfit()
		if err == nil {
			fit = time.Now()
		} else if time.Since(fit) >= e.unfitLimit {
			e.lease.log.Error(err, "leaving the Lease to others until this replica can do the leader's work")
			stayedFit = false
			break
		}
		e.pause(running)
	}
	cancel()
	<-ended
	return stayedFit
}

func (e *Election) unfit() error {
	if e.fit == nil {
		return nil
	}
	return e.fit()
}

// pause waits until it is time to ask again.
func (e *Election) pause(ctx context.Context) {
	timer := time.NewTimer(e.retryPeriod / 10)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
