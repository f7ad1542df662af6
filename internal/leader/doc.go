// Package leader knows whether this process is the leader among its replicas, and whether it still may act as such.
//
// It must not know what the leader does.
package leader
