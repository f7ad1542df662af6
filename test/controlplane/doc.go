// Package controlplane runs what a suite needs to see Dispatcher as a cluster does: a real kube-apiserver and etcd with
// the repository's own CRD and webhook files, a kube-controller-manager, and the real manager binary as a child process
// that can be killed, started again and run twice.
//
// Between a manager and the API server stands a Proxy, which sees every request and can delay, refuse or lose it.
// Between the API server and the managers' webhooks stands a Forwarder, which does what a Service does in a cluster.
//
// There is no kubelet: a suite sets the status of pods itself. Everything listens on 127.0.0.1. The package asserts
// nothing and knows no test framework, so that a benchmark can use it as well as a suite.
package controlplane
