// Command run is `make run`: it runs bin/manager in the foreground against an API server on this machine. While it
// runs, the webhooks of config/webhook are registered with the manager's address, and anonymous callers have the same
// rights as in config/default. It creates the certificate of the webhooks.
//
//	run [FLAGS OF THE MANAGER]
//
// It must delete everything it created: a webhook configuration without a webhook would block every create.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// kindsTimeout is the time for the API server to serve the kinds of CRDs that were just installed.
const kindsTimeout = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

// run runs the manager until ctx ends. It returns an error if the manager exits first.
func run(ctx context.Context, args []string) (err error) {
	config, err := loadConfig()
	if err != nil {
		return err
	}
	if err := waitForKinds(ctx, config); err != nil {
		return err
	}
	hooks, err := newWebhooks(config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hooks.options.Cleanup()) }()

	anonymous, err := newAccess(config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, anonymous.revoke()) }()
	if err := anonymous.grant(ctx); err != nil {
		return err
	}

	m, err := startManager(hooks.options.LocalServingCertDir, args)
	if err != nil {
		return err
	}
	// Deferred calls run in reverse order: the webhooks are unregistered before the manager stops.
	defer func() { err = errors.Join(err, m.stop()) }()
	if err := m.waitUntilReady(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	defer func() { err = errors.Join(err, hooks.unregister()) }()
	if err := hooks.register(); err != nil {
		return err
	}
	fmt.Printf("Dispatcher is ready. Press Ctrl-C to stop it.\n  API server: %s\n  HTTP API:   http://%s\n"+
		"  metrics:    http://%s/metrics\n", config.Host, httpAddress, metricsAddress)
	return m.wait(ctx)
}

// loadConfig returns the configuration of the API server: from KUBECONFIG, otherwise of the local cluster if that is
// up, otherwise the user's own. The manager uses the same one.
func loadConfig() (*rest.Config, error) {
	directory := os.Getenv("CLUSTER_DIR")
	if directory == "" {
		directory = ".cluster"
	}
	local := filepath.Join(directory, "kubeconfig")
	if _, err := os.Stat(local); err == nil && os.Getenv("KUBECONFIG") == "" {
		if err := os.Setenv("KUBECONFIG", local); err != nil {
			return nil, err
		}
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("no API server is configured (make cluster-up NODE=0 starts one): %w", err)
	}
	server, err := url.Parse(config.Host)
	if err != nil {
		return nil, fmt.Errorf("the API server's address: %w", err)
	}
	if ip := net.ParseIP(server.Hostname()); server.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("the API server %s is not on this machine and cannot call webhooks at %s: use make deploy",
			config.Host, webhookHost)
	}
	return config, nil
}

// waitForKinds waits until the API server serves our kinds. If the CRDs are not installed, the error says how to
// install them.
func waitForKinds(ctx context.Context, config *rest.Config) error {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("creating a client: %w", err)
	}
	var last error
	err = wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, kindsTimeout, true, func(context.Context) (bool, error) {
		_, last = client.ServerResourcesForGroupVersion(dispatcherv1alpha1.GroupVersion.String())
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("%s does not serve %s (make install installs the CRDs): %w",
			config.Host, dispatcherv1alpha1.GroupVersion, last)
	}
	return nil
}
