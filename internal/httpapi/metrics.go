package httpapi

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var (
	requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "dispatcher_http_requests_total",
		Help: "HTTP requests that were answered, by route, method and status code.",
	}, []string{"route", "method", "code"})

	requestDuration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "dispatcher_http_request_duration_seconds",
		Help: "Time from the headers of an HTTP request to the end of its answer, by route and method, " +
			"of those that did not wait.",
		// A create takes some milliseconds; the longest wait is createTimeout and lookupTimeout.
		Buckets: []float64{.0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20},
	}, []string{"route", "method"})

	waitDuration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "dispatcher_http_wait_duration_seconds",
		Help: "Time from the headers of an HTTP request to the end of its answer, by route and method, " +
			"of long polls and streams.",
		Buckets: []float64{.1, 1, 5, 15, 60, 300, 900, 1800},
	}, []string{"route", "method"})

	requestsInFlight = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "dispatcher_http_requests_in_flight",
		Help: "HTTP requests that are being handled, those that wait included.",
	})

	requestsWaiting = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "dispatcher_http_requests_waiting",
		Help: "HTTP requests that wait for something to happen: long polls and streams.",
	})
)

func init() {
	metrics.Registry.MustRegister(requests, requestDuration, waitDuration, requestsInFlight, requestsWaiting)
}

// knownMethods bounds the method label: a method is any token that a caller makes up.
var knownMethods = []string{
	http.MethodConnect, http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodOptions,
	http.MethodPatch, http.MethodPost, http.MethodPut, http.MethodTrace,
}

func methodLabel(method string) string {
	if slices.Contains(knownMethods, method) {
		return method
	}
	return "other"
}

// observeRequest counts a request that was answered. How long one waits is its caller's choice, and would hide how
// long the others take.
func observeRequest(rec *record, method string, code int, duration time.Duration) {
	method = methodLabel(method)
	requests.WithLabelValues(rec.route, method, strconv.Itoa(code)).Inc()
	durations := requestDuration
	if rec.waited {
		durations = waitDuration
	}
	durations.WithLabelValues(rec.route, method).Observe(duration.Seconds())
}
