// Package controller creates the Job of each JobExecution and keeps the status of the execution up to date.
//
// One execution has exactly one Job, whatever crashes, restarts or lags behind. One rule ensures this: the cache may be
// used to learn that an object exists. That an object does not exist must be confirmed by a read past the cache before
// anything is done that cannot be undone.
//
// This package handles executions that were admitted. It must not decide whether an execution is admitted, must not
// render by itself (internal/render does), and must not poll: it acts on watch events, when a TTL or a start deadline
// has expired, on retries, and when the events of pods that do not start are to be read again.
//
// A second controller, in jobtemplate_*.go, writes whether stored templates would be accepted today. It judges as
// admission does (internal/trial), and what it writes refuses nobody. It tries each template again now and then, since
// no watch event tells of all policies.
package controller
