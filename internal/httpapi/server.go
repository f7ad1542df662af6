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
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"dispatcher.ivan.vc/internal/connections"
	"dispatcher.ivan.vc/internal/httpapi/access"
	"dispatcher.ivan.vc/internal/httpapi/budget"
	"dispatcher.ivan.vc/internal/httpapi/store"
	"dispatcher.ivan.vc/internal/httpapi/watch"
	"dispatcher.ivan.vc/internal/objectcache"
	"dispatcher.ivan.vc/internal/render"
)

// Setup adds the HTTP API to the manager: it is served by every replica, once the caches are in sync, and a readiness
// check of its own holds until it listens. The informers of the manager must have the options of objects, and
// options must be valid: see Options.Validate.
func Setup(mgr ctrl.Manager, renderer render.Renderer, objects *objectcache.Cache, options Options) error {
	log := mgr.GetLogger().WithName("http-api")
	kubeClient, err := store.New(mgr.GetConfig(), mgr.GetHTTPClient(), mgr.GetScheme(), mgr.GetCache(), objects,
		options.MaxConcurrentCreates, log)
	if err != nil {
		return err
	}
	secure, err := newTLS(options, log)
	if err != nil {
		return err
	}
	callers, err := access.NewDelegated(mgr.GetConfig(), mgr.GetHTTPClient(), access.Credentials{
		ClientCAs: secure.clientCAProvider(),
		Audiences: options.TokenAudiences,
	})
	if err != nil {
		return err
	}
	d := newDependencies(kubeClient, callers, renderer, options)
	if err := d.watcher.Listen(context.Background(), mgr.GetCache()); err != nil {
		return err
	}
	server := newServer(d, options, log)
	if secure != nil {
		server.http.TLSConfig = secure.config()
		if err := mgr.Add(secure); err != nil {
			return fmt.Errorf("adding the certificate of the HTTP API: %w", err)
		}
	}
	if err := mgr.Add(&accessReport{access: callers, options: options, log: log}); err != nil {
		return fmt.Errorf("adding the report on access: %w", err)
	}
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
	store        *store.Store
	inFlight     *budget.Places
	waiters      *waiters
	log          logr.Logger
	drainTimeout time.Duration
	options      Options
	listen       func(ctx context.Context, network, address string) (net.Listener, error)
	listening    atomic.Bool
}

// dependencies are what handlers work with.
type dependencies struct {
	store    *store.Store
	access   *access.Access
	renderer render.Renderer
	memory   *memory
	watcher  *watch.Watcher
	inFlight *budget.Places
	waiters  *waiters
	times    streamTimes
}

func newDependencies(
	store *store.Store,
	access *access.Access,
	renderer render.Renderer,
	options Options,
) dependencies {
	d := dependencies{
		store:    store,
		access:   access,
		renderer: renderer,
		memory:   newMemory(options.SharedAddresses),
		inFlight: budget.NewPlaces(options.MaxRequestsInFlight, options.SharedAddresses),
		waiters:  newWaiters(options.MaxWaitingRequests, options.SharedAddresses),
		times:    streamTimes{keepAlive: keepAliveInterval, writeTimeout: streamWriteTimeout},
	}
	d.watcher = watch.New(func(ctx context.Context, key types.NamespacedName) (*watch.Copy, error) {
		return d.read(ctx, "", key) // For all who wait, whatever their addresses.
	}, sharesOfReads{d.memory})
	return d
}

// caller authenticates a request, and notes the user for the access log. It must be called once.
func (d dependencies) caller(r *http.Request) (*access.Caller, error) {
	caller, err := d.access.Caller(r)
	if err == nil {
		recordOf(r).user = caller.Name()
	}
	return caller, err
}

// groupsOf are all routes of this API.
func groupsOf(d dependencies, options Options) []routes {
	return []routes{
		&executor{dependencies: d, options: options},
		&executions{dependencies: d, options: options},
		&templates{dependencies: d},
		newDescription(),
	}
}

func newServer(d dependencies, options Options, log logr.Logger) *server {
	router := newRouter(groupsOf(d, options)...)
	allowed := allowedHosts(options)
	router.Use(func(next http.Handler) http.Handler { return limitInFlight(d.inFlight, next) })
	return &server{
		http: &http.Server{
			Addr:              options.BindAddress,
			Handler:           observe(log, connections.LimitHeaders(recoverPanics(log, refuseForeign(allowed, router)))),
			ReadHeaderTimeout: readHeaderTimeout,
			ReadTimeout:       readTimeout,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			Protocols:         protocols(options),
			HTTP2: &http.HTTP2Config{
				MaxConcurrentStreams:          maxConcurrentStreams,
				MaxReceiveBufferPerStream:     http2Buffer,
				MaxReceiveBufferPerConnection: http2Buffer,
			},
			// OPTIONS * is answered like any other unknown path.
			DisableGeneralOptionsHandler: true,
			ErrorLog:                     slog.NewLogLogger(logr.ToSlogHandler(log), slog.LevelInfo),
		},
		store:        d.store,
		inFlight:     d.inFlight,
		waiters:      d.waiters,
		log:          log,
		drainTimeout: drainTimeout,
		options:      options,
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
	most := s.options.MaxRequestsInFlight + s.options.MaxWaitingRequests + spareConnections
	heads := connections.NewHeads()
	listener = heads.Listener(budget.LimitConnections(listener, s.http, most, s.options.SharedAddresses))
	observe := s.http.ConnState
	s.http.ConnState = func(connection net.Conn, state http.ConnState) {
		observe(connection, state)
		heads.Observe(connection, state)
	}
	s.listening.Store(true)
	defer s.listening.Store(false)
	s.log.Info("serving the HTTP API", "address", listener.Addr().String())

	var background sync.WaitGroup
	sweeping, stopSweeping := context.WithCancel(context.WithoutCancel(ctx))
	background.Go(func() { s.store.Run(sweeping) })
	serveErr := make(chan error, 1)
	background.Go(func() { serveErr <- s.serve(listener) })

	select {
	case err = <-serveErr:
		err = fmt.Errorf("serving the HTTP API: %w", err)
	case <-ctx.Done():
		s.listening.Store(false)
		s.drain(context.WithoutCancel(ctx))
	}
	stopSweeping()
	background.Wait()
	lastSweep, cancel := context.WithTimeout(context.WithoutCancel(ctx), store.LastSweepTimeout)
	defer cancel()
	s.store.Close(lastSweep)
	return err
}

// serve serves with TLS where that is configured.
func (s *server) serve(listener net.Listener) error {
	if s.http.TLSConfig != nil {
		return s.http.ServeTLS(listener, "", "")
	}
	return s.http.Serve(listener)
}

// drain takes no more connections, ends what waits for something to happen, and lets the requests finish that are under
// way. Those that take too long are cut.
func (s *server) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.drainTimeout)
	defer cancel()
	s.waiters.stop()
	if err := s.http.Shutdown(ctx); err != nil {
		s.log.Error(err, "cutting the requests that did not finish in time")
		_ = s.http.Close()
	}
}
