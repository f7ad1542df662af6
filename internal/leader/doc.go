// Package leader elects one of several replicas, and tells this process whether it still may act as the leader.
//
// Losing the Lease ends nothing but the work of the leader: the process goes on and may lead again. This package must
// not know what the leader does.
package leader
