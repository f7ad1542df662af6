package monitoring

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"dispatcher.ivan.vc/internal/connections"
)

// Options are the settings of the servers.
type Options struct {
	// HealthBindAddress is the host:port of /healthz and /readyz. If it is empty, they are not served.
	HealthBindAddress string

	// Metrics are the settings of /metrics.
	Metrics MetricsOptions
}

// Setup adds the servers to mgr, and returns mgr with its health checks served by them. mgr itself must not serve them.
func Setup(mgr ctrl.Manager, options Options) (ctrl.Manager, error) {
	log := mgr.GetLogger().WithName("monitoring")
	checked := newCheckedManager(mgr)
	if options.HealthBindAddress != "" {
		server := newServer(checked.handler(), log)
		listener, err := listen(options.HealthBindAddress, server)
		if err != nil {
			return nil, fmt.Errorf("listening for the health probes: %w", err)
		}
		if err := add(mgr, "health probes", server, listener); err != nil {
			return nil, err
		}
	}
	if options.Metrics.BindAddress != "" {
		if err := setUpMetrics(mgr, options.Metrics, log); err != nil {
			return nil, err
		}
	}
	return checked, nil
}

// listen listens on a host:port for server, with bounds on connections and on what they begin to send.
func listen(address string, server *http.Server) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	heads := connections.NewHeads()
	server.ConnState = heads.Observe
	return heads.Listener(connections.Limit(listener, maxConnections)), nil
}

// add lets mgr run server. The manager starts a manager.Server before its caches, so that a replica is alive while it
// reads them.
func add(mgr ctrl.Manager, name string, server *http.Server, listener net.Listener) error {
	runnable := &manager.Server{Name: name, Server: server, Listener: listener, ShutdownTimeout: new(shutdownTimeout)}
	if err := mgr.Add(runnable); err != nil {
		return fmt.Errorf("adding the server of the %s: %w", name, err)
	}
	return nil
}

// newServer returns a server of handler without HTTP/2.
func newServer(handler http.Handler, log logr.Logger) *http.Server {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:           connections.LimitHeaders(handler),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		Protocols:         protocols,
		// Strangers can cause as many of these as they like.
		ErrorLog: slog.NewLogLogger(logr.ToSlogHandler(log.V(1)), slog.LevelInfo),
	}
}
