// Command run is `make run`: it runs bin/manager in the foreground against an API server on this machine, with webhook
// certificates of its own making. For as long as it runs, config/webhook is registered with the manager's address, and
// anonymous callers have the rights that config/default gives them.
//
//	run [FLAGS OF THE MANAGER]
//
// It must leave nothing behind: a webhook configuration without a webhook would block every create.
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

// kindsTimeout is the time that the API server takes to serve kinds that were installed just now.
const kindsTimeout = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

// run runs the manager until ctx ends, which is no error, or the manager does, which is one.
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
	// Deferred calls run last to first: at no time is a webhook registered that does not answer.
	defer func() { err = errors.Join(err, m.stop()) }()
	if err := m.waitUntilReady(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	defer func() { err = errors.Join(err, hooks.unregister()) }()
	if err := hooks.register(); err != nil {
		return err
	}
	fmt.Printf("Dispatcher runs against %s: HTTP on http://%s, /readyz on http://%s, metrics on http://%s. Ctrl-C ends it.\n",
		config.Host, httpAddress, healthAddress, metricsAddress)
	return m.wait(ctx)
}

// loadConfig finds the API server, which the manager finds in the same way: KUBECONFIG, the local cluster, the user's own.
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
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("no API server to run against (make cluster-up NODE=0 starts one): %w", err)
	}
	server, err := url.Parse(config.Host)
	if err != nil {
		return nil, fmt.Errorf("the API server's address: %w", err)
	}
	if ip := net.ParseIP(server.Hostname()); server.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("the API server is %s and could not call webhooks at %s: take one on this machine, or make deploy", config.Host, webhookHost)
	}
	return config, nil
}

// waitForKinds says what to do where the CRDs are not installed. The manager would say that a kind has no match.
func waitForKinds(ctx context.Context, config *rest.Config) error {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	var last error
	err = wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, kindsTimeout, true, func(context.Context) (bool, error) {
		_, last = client.ServerResourcesForGroupVersion(dispatcherv1alpha1.GroupVersion.String())
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("%s serves no %s (make install installs the CRDs): %w", config.Host, dispatcherv1alpha1.GroupVersion, last)
	}
	return nil
}
