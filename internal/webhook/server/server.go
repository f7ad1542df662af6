package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	ctrlwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"dispatcher.ivan.vc/internal/connections"
)

// shutdownTimeout bounds how long a server that stops waits for requests in flight.
const shutdownTimeout = Timeout + time.Second

// Options are the settings of a Server.
type Options struct {
	// BindAddress is the host:port to listen on.
	BindAddress string

	// CertificateFile and KeyFile are in PEM. They are watched: a new certificate is used from the next connection
	// on.
	CertificateFile, KeyFile string

	// ClientCAFile has the CA certificates, in PEM, that sign the client certificate of the API server. It is
	// watched, too. If it is empty, everyone may ask.
	ClientCAFile string

	// ClientNames are the names of which the client certificate must have one, as its common name or a DNS name. If
	// there are none, any certificate of the CA will do.
	ClientNames []string
}

// Server serves webhooks over TLS. It runs as a part of the manager.
type Server struct {
	options Options
	mux     *http.ServeMux
	log     logr.Logger
	started atomic.Bool

	// connections is how many connections are open at a time.
	connections int
}

var _ ctrlwebhook.Server = &Server{}

// New returns a server without webhooks. It reads its files when it starts.
func New(options Options) *Server {
	return &Server{
		options: options, mux: http.NewServeMux(), log: ctrl.Log.WithName("webhooks"), connections: maxConnections,
	}
}

// NeedLeaderElection makes every replica serve.
func (*Server) NeedLeaderElection() bool { return false }

// WebhookMux returns the routes of the server.
func (s *Server) WebhookMux() *http.ServeMux { return s.mux }

// Register serves hook at path. It panics where path is taken.
func (s *Server) Register(path string, hook http.Handler) {
	if webhook, ok := hook.(*admission.Webhook); ok {
		// With controller-runtime's metrics. Its own server adds them, too.
		instrumented, err := admission.StandaloneWebhook(webhook, admission.StandaloneOptions{
			Logger:      s.log.WithSink(hookSink{s.log.GetSink()}),
			MetricsPath: path,
		})
		if err != nil {
			panic(fmt.Errorf("registering %s: %w", path, err))
		}
		hook = instrumented
	}
	s.mux.Handle(path, hook)
}

// StartedChecker returns a check that succeeds once the server listens. It opens no connection, since these are
// bounded: strangers could make it fail.
func (s *Server) StartedChecker() healthz.Checker {
	return func(*http.Request) error {
		if !s.started.Load() {
			return errors.New("the webhook server has not started yet")
		}
		return nil
	}
}

// Start serves until ctx ends, then waits for the requests in flight.
func (s *Server) Start(ctx context.Context) error {
	credentials, err := newCredentials(s.options)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.options.BindAddress)
	if err != nil {
		return fmt.Errorf("listening for the webhooks: %w", err)
	}
	return s.serveTLS(ctx, listener, credentials)
}

// serveTLS serves on listener, with credentials that it watches, until ctx ends.
func (s *Server) serveTLS(ctx context.Context, listener net.Listener, credentials *credentials) error {
	var watching sync.WaitGroup
	defer watching.Wait()
	watchCtx, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	watching.Go(func() { credentials.watch(watchCtx, s.log) })

	s.log.Info(
		"serving the webhooks",
		"address",
		s.options.BindAddress,
		"clientCertificates",
		s.options.ClientCAFile != "",
		"clientNames",
		s.options.ClientNames,
	)
	heads := connections.NewHeads()
	listener = heads.Listener(connections.Limit(listener, s.connections))
	return s.serve(ctx, tls.NewListener(listener, credentials.config()), heads)
}

// serve serves on listener, which is that of heads, until ctx ends. Requests in flight do not end with ctx.
func (s *Server) serve(ctx context.Context, listener net.Listener, heads *connections.Heads) error {
	// Without HTTP/2, which the API server does not need: its streams are not bounded as connections are.
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	server := &http.Server{
		Handler:           connections.LimitHeaders(newReviews().limit(s.mux)),
		ConnState:         heads.Observe,
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          log.New(connectionLog{s.log}, "", 0),
		Protocols:         protocols,
	}
	stopped := make(chan error, 1)
	stopWaiting := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		stopped <- server.Shutdown(ctx)
	})
	s.started.Store(true)
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		stopWaiting()
		return fmt.Errorf("serving the webhooks: %w", err)
	}
	if err := <-stopped; err != nil {
		return fmt.Errorf("stopping the webhook server: %w", err)
	}
	return nil
}
