// Package faults holds Dispatcher to its promise while everything around it breaks: what was accepted runs exactly
// once, what was refused leaves nothing, and every status comes to its end.
//
// Two replicas run against a real API server, etcd and controllers. Callers PUT at a steady rate, and keep a ledger of
// what they sent and what they were answered. Meanwhile four lanes break things, each one fault after the other, so
// that faults of different lanes meet: processes are killed, frozen and handed over to, servers and webhooks go away,
// requests are lost, failed and slowed, templates and executions are changed and deleted. When all is well again, the
// ledger is compared with the history that etcd itself keeps, in which no Job can hide that was there for a moment
// only.
//
// A seed decides what is sent and what breaks, in which order and for how long. Run it by `make test-faults`; without
// FAULTS_EXECUTIONS only the judgement on a ledger is tested. docs/faults.md explains the settings and the rules.
package faults
