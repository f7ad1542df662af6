package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/cabundle"
	"dispatcher.ivan.vc/internal/controller"
	"dispatcher.ivan.vc/internal/httpapi"
	"dispatcher.ivan.vc/internal/identity"
	"dispatcher.ivan.vc/internal/leader"
	"dispatcher.ivan.vc/internal/monitoring"
	"dispatcher.ivan.vc/internal/objectcache"
	"dispatcher.ivan.vc/internal/sandbox"
	"dispatcher.ivan.vc/internal/webhook"
)

// newManager returns a manager with every surface of Dispatcher set up.
func newManager(o *options, pool *sandbox.Pool) (ctrl.Manager, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, dispatcherv1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("building the scheme: %w", err)
		}
	}
	objects := objectcache.New()
	// All flags come before the cluster: a wrong one is then named also where the cluster cannot be reached.
	if err := o.http.Validate(); err != nil {
		return nil, err
	}
	managerOptions, err := o.manager(scheme, objects)
	if err != nil {
		return nil, err
	}
	restConfig, err := config.GetConfig()
	if err != nil {
		return nil, configurationFailed(err)
	}
	// Without a client-side rate limit: it would delay bursts of executions, and the API server has priority and
	// fairness to protect itself.
	restConfig.QPS = -1
	own := identity.NewWatch(clock.RealClock{})
	restConfig.Wrap(own.Wrap)
	feed := objectcache.NewFeed(clock.RealClock{})
	restConfig.Wrap(feed.Wrap)

	mgr, err := ctrl.NewManager(restConfig, managerOptions)
	if err != nil {
		return nil, fmt.Errorf("creating the manager: %w", err)
	}
	if mgr, err = monitoring.Setup(mgr, o.monitoring()); err != nil {
		return nil, err
	}
	lease, err := elect(mgr, o, pool, feed)
	if err != nil {
		return nil, err
	}
	if err := setUp(mgr, o, pool, lease, objects); err != nil {
		return nil, err
	}
	if err := metrics.Registry.Register(feed); err != nil {
		return nil, fmt.Errorf("registering the metric of the watches: %w", err)
	}
	if err := mgr.AddHealthzCheck("identity", own.Check); err != nil {
		return nil, fmt.Errorf("adding the liveness check of the identity: %w", err)
	}
	return mgr, nil
}

// configurationFailed explains why there is no client configuration. The error for --kubeconfig names the file.
func configurationFailed(err error) error {
	files := os.Getenv(clientcmd.RecommendedConfigPathEnvVar)
	switch {
	case !clientcmd.IsEmptyConfig(err):
		return fmt.Errorf("loading the client configuration: %w", err)
	case files == "":
		return errors.New("no cluster to connect to: set KUBECONFIG or --kubeconfig, or run in a pod")
	default:
		return fmt.Errorf("KUBECONFIG: no cluster in %s, or no such file", files)
	}
}

// elect lets the process compete for the Lease that it returns. It leads at once where no leader is to be elected.
func elect(mgr ctrl.Manager, o *options, pool *sandbox.Pool, feed *objectcache.Feed) (*leader.Lease, error) {
	if !o.leaderElect {
		return leader.Alone(time.Now()), nil
	}
	lease := leader.NewLease(clock.RealClock{})
	options := leader.Options{
		Name:      leaderElectionID,
		Namespace: o.leaderElectionNamespace,
		// A leader without render workers would run nothing, and one that sees no changes neither, beside a replica that
		// could.
		Fit: func() error { return cmp.Or(pool.Check(nil), feed.Check()) },
	}
	election, err := leader.NewElection(mgr, lease, options)
	if err != nil {
		return nil, fmt.Errorf("%w (see --leader-election-namespace)", err)
	}
	if err := mgr.Add(election); err != nil {
		return nil, fmt.Errorf("adding the leader election: %w", err)
	}
	return lease, nil
}

// setUp adds the surfaces, which share the render workers and objects, and the health checks.
func setUp(
	mgr ctrl.Manager, o *options, pool *sandbox.Pool, lease *leader.Lease, objects *objectcache.Cache,
) error {
	if err := publishCA(mgr, o); err != nil {
		return err
	}
	if err := webhook.Setup(mgr, pool, objects); err != nil {
		return fmt.Errorf("setting up the webhooks: %w", err)
	}
	if err := controller.Setup(mgr, pool, lease, objects); err != nil {
		return fmt.Errorf("setting up the controller: %w", err)
	}
	if err := httpapi.Setup(mgr, pool, objects, o.http); err != nil {
		return fmt.Errorf("setting up the HTTP API: %w", err)
	}
	if err := metrics.Registry.Register(pool); err != nil {
		return fmt.Errorf("registering the metrics of the render workers: %w", err)
	}
	if err := metrics.Registry.Register(leader.Metric(lease)); err != nil {
		return fmt.Errorf("registering the metric of the leader: %w", err)
	}
	// Ready means that all parts work. The HTTP API adds its own check, which fails until the caches are in sync.
	if err := mgr.AddReadyzCheck("webhooks", mgr.GetWebhookServer().StartedChecker()); err != nil {
		return fmt.Errorf("adding the readiness check of the webhooks: %w", err)
	}
	if err := mgr.AddReadyzCheck("render-workers", pool.Check); err != nil {
		return fmt.Errorf("adding the readiness check of the render workers: %w", err)
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("adding the liveness check: %w", err)
	}
	return nil
}

// publishCA adds the publisher of the CA certificate if a flag names a ConfigMap for it.
func publishCA(mgr ctrl.Manager, o *options) error {
	file, configMap, err := o.publishedCA()
	if err != nil || configMap.Name == "" {
		return err
	}
	return cabundle.Setup(mgr, file, configMap)
}
