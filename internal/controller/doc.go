// Package controller turns JobExecutions into Jobs and reports back what became of them.
//
// One execution makes exactly one Job, whatever crashes, restarts or lags behind. The rule that keeps this true: a cache
// may say that something exists, but that something does not exist is believed only after a read that goes past the
// cache, wherever acting on it cannot be undone.
//
// This package decides what happens to an execution that was admitted. It must not decide whether one is admitted, must
// not render by itself (internal/render does), and must not poll: it acts on watch events, on the moment that a TTL
// runs out, and on the work queue's backoff after an error.
package controller
