// Command dispatcher is the manager: the admission webhooks, the controller and the HTTP API of Dispatcher in one
// process. This package reads the flags, builds what the parts share and starts the parts, and must not do their work.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"dispatcher.ivan.vc/internal/sandbox"
)

// stopMargin is the time for the other parts to stop, before and after the HTTP API.
const stopMargin = 10 * time.Second

// version is set by the linker (-X main.version).
var version string

func main() {
	var err error
	if slices.Equal(os.Args[1:], []string{sandbox.Command}) {
		err = sandbox.Work()
	} else {
		err = run(ctrl.SetupSignalHandler(), os.Args[1:], os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run runs the manager until ctx ends. --help and --version print to out. The log goes to standard error.
func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args, out)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if o.showVersion {
		_, err := fmt.Fprintln(out, release())
		return err
	}
	log := zap.New(zap.UseFlagOptions(&o.logging))
	ctrl.SetLogger(log)
	klog.SetLogger(log)

	pool, err := sandbox.NewPool(sandbox.Options{Workers: o.renderWorkers, Log: log.WithName("sandbox")})
	if err != nil {
		return fmt.Errorf("--render-workers: %w", err)
	}
	mgr, err := newManager(o, pool)
	if err != nil {
		return err
	}
	log.Info("starting Dispatcher", "version", release(),
		"apiServer", mgr.GetConfig().Host, "leaderElection", o.leaderElect, "http2", o.enableHTTP2,
		"defaultNamespace", o.http.DefaultNamespace, "maxPayloadBytes", o.http.MaxPayloadBytes,
		"logPayloads", o.http.LogPayloads, "metricsBindAddress", o.metricsBindAddress, "metricsSecure", o.metricsSecure)
	// The render workers start before the parts that use them, and stop after them.
	pool.Start()
	defer pool.Stop()
	return mgr.Start(ctx)
}

// release returns the version set by the linker, or else the one that the go command recorded.
func release() string {
	if version != "" {
		return version
	}
	if build, ok := debug.ReadBuildInfo(); ok && build.Main.Version != "" {
		return build.Main.Version
	}
	return "devel"
}
