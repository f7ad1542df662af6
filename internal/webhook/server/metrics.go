package server

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// turnedAway counts the requests that no webhook was asked about. 429 and 413 may concern the API server; the others
// come from strangers.
var turnedAway = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "dispatcher_webhook_turned_away_total",
	Help: "Requests to the webhook port that were refused before a webhook saw them, by HTTP status code.",
}, []string{"code"})

func init() {
	metrics.Registry.MustRegister(turnedAway)
}

// turnAway refuses a request.
func turnAway(w http.ResponseWriter, code int, message string) {
	turnedAway.WithLabelValues(strconv.Itoa(code)).Inc()
	http.Error(w, message, code)
}
