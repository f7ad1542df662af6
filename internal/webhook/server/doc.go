// Package server is the TLS server of the admission webhooks. Its port can be reached by whoever the network lets
// through, so it decides who may ask, and keeps what one caller asks for from keeping others waiting: connections,
// bytes, time and memory are bounded and shared by address. It must not look into objects.
package server
