// Package monitoring serves the health probes and the metrics. Their ports can be reached by whoever the network lets
// through, and before a caller is known, so connections, headers, time and calls of the API server are bounded. It must
// not decide what is healthy, nor what is measured.
package monitoring
