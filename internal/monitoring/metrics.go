package monitoring

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"strconv"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"

	"dispatcher.ivan.vc/internal/connections"
	"dispatcher.ivan.vc/internal/fairqueue"
)

const metricsPath = "/metrics"

// MetricsOptions are the settings of /metrics.
type MetricsOptions struct {
	// BindAddress is the host:port to listen on. If it is empty, the metrics are not served.
	BindAddress string

	// Secure serves the metrics with TLS, and only to callers that may get the non-resource URL /metrics.
	Secure bool

	// CertificateFile and KeyFile are in PEM. They are watched: a new certificate is used from the next connection on.
	// If one of them does not exist, the certificate is self-signed.
	CertificateFile, KeyFile string

	// HTTP2 offers HTTP/2 beside HTTP/1.1. It requires Secure.
	HTTP2 bool
}

func setUpMetrics(mgr ctrl.Manager, options MetricsOptions, log logr.Logger) error {
	handler := promhttp.HandlerFor(metrics.Registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError})
	if options.Secure {
		filter, err := filters.WithAuthenticationAndAuthorization(mgr.GetConfig(), mgr.GetHTTPClient())
		if err != nil {
			return fmt.Errorf("setting up the access to the metrics: %w", err)
		}
		if handler, err = filter(log.WithValues("path", metricsPath), handler); err != nil {
			return fmt.Errorf("setting up the access to the metrics: %w", err)
		}
	}
	server := newMetricsServer(handler, options, log)
	listener, err := listen(options.BindAddress, server)
	if err != nil {
		return fmt.Errorf("listening for the metrics: %w", err)
	}
	if options.Secure {
		config, err := tlsConfig(mgr, options, log)
		if err != nil {
			return fmt.Errorf("the certificate of the metrics: %w", err)
		}
		listener = tls.NewListener(listener, config)
	}
	return add(mgr, "metrics", server, listener)
}

func newMetricsServer(metrics http.Handler, options MetricsOptions, log logr.Logger) *http.Server {
	mux := http.NewServeMux()
	mux.Handle(metricsPath, takeTurns(metrics))
	server := newServer(mux, log)
	server.Protocols.SetHTTP2(options.HTTP2)
	server.HTTP2 = &http.HTTP2Config{
		MaxConcurrentStreams:          maxConcurrentStreams,
		MaxReceiveBufferPerConnection: http2Buffer,
		MaxReceiveBufferPerStream:     http2Buffer,
	}
	return server
}

// takeTurns hands few requests to next at a time. Others wait, and addresses take turns, so that a caller whose token
// is unknown keeps none waiting for long.
func takeTurns(next http.Handler) http.Handler {
	queue := fairqueue.New(maxScrapes, maxScrapesOfOne, maxScrapesOfOne)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), turnTimeout)
		defer cancel()
		release, err := queue.Acquire(ctx, fairqueue.Origin{Address: connections.AddressOf(r.RemoteAddr)}, 1)
		if err != nil {
			w.Header().Set("Retry-After", strconv.Itoa(int(turnTimeout.Seconds())))
			http.Error(w, "too many requests for metrics: try again later", http.StatusServiceUnavailable)
			return
		}
		defer release()
		// A TokenReview does not end when its caller leaves, and counts until it does.
		next.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
	})
}
