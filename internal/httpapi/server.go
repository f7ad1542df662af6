package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

// Setup adds the HTTP API to the manager: it is served by every replica, once the caches are in sync, and a readiness
// check of its own holds until it listens.
func Setup(mgr ctrl.Manager, options Options) error {
	if err := options.validate(); err != nil {
		return err
	}
	api, err := newAPIServer(mgr.GetConfig(), mgr.GetHTTPClient(), mgr.GetScheme())
	if err != nil {
		return err
	}
	server := newServer(api, options, mgr.GetLogger().WithName("http-api"))
	if err := mgr.AddReadyzCheck("http-api", server.ready); err != nil {
		return fmt.Errorf("adding the readiness check of the HTTP API: %w", err)
	}
	if err := mgr.Add(server); err != nil {
		return fmt.Errorf("adding the HTTP API: %w", err)
	}
	return nil
}

// server runs the HTTP API as a part of the manager. It is a runnable of its own, because the manager starts an
// http.Server of its kind before the caches.
type server struct {
	http         *http.Server
	leftovers    *leftovers
	log          logr.Logger
	drainTimeout time.Duration
	listen       func(ctx context.Context, network, address string) (net.Listener, error)
	listening    atomic.Bool
}

func newServer(api *apiServer, options Options, log logr.Logger) *server {
	left := &leftovers{apiServer: api, log: log}
	router := newRouter(&executor{
		creator: &creator{apiServer: api, leftovers: left},
		options: options,
	})
	return &server{
		http: &http.Server{
			Addr:              options.BindAddress,
			Handler:           observe(log, recoverPanics(log, router)),
			ReadHeaderTimeout: readHeaderTimeout,
			ReadTimeout:       readTimeout,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			ErrorLog:          slog.NewLogLogger(logr.ToSlogHandler(log), slog.LevelInfo),
		},
		leftovers:    left,
		log:          log,
		drainTimeout: drainTimeout,
		listen:       (&net.ListenConfig{}).Listen,
	}
}

// NeedLeaderElection makes every replica serve.
func (s *server) NeedLeaderElection() bool {
	return false
}

// ready is the readiness check: it fails unless the server takes connections.
func (s *server) ready(*http.Request) error {
	if !s.listening.Load() {
		return errors.New("the HTTP API is not listening")
	}
	return nil
}

// Start serves until ctx ends, then lets the requests finish that are under way, for a bounded time.
func (s *server) Start(ctx context.Context) error {
	listener, err := s.listen(ctx, "tcp", s.http.Addr)
	if err != nil {
		return fmt.Errorf("listening for the HTTP API: %w", err)
	}
	s.listening.Store(true)
	defer s.listening.Store(false)
	s.log.Info("serving the HTTP API", "address", listener.Addr().String())

	var background sync.WaitGroup
	sweeping, stopSweeping := context.WithCancel(context.WithoutCancel(ctx))
	background.Go(func() { s.leftovers.run(sweeping) })
	serveErr := make(chan error, 1)
	background.Go(func() { serveErr <- s.http.Serve(listener) })

	select {
	case err = <-serveErr:
		err = fmt.Errorf("serving the HTTP API: %w", err)
	case <-ctx.Done():
		s.listening.Store(false)
		s.drain(context.WithoutCancel(ctx))
	}
	stopSweeping()
	background.Wait()
	lastSweep, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSweepTimeout)
	defer cancel()
	s.leftovers.close(lastSweep)
	return err
}

// drain takes no more connections and waits for the requests that are under way. Those that take too long are cut.
func (s *server) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.drainTimeout)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		s.log.Error(err, "cutting the requests that did not finish in time")
		_ = s.http.Close()
	}
}
