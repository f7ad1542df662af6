// Package integration shows what users of Dispatcher see, through a real API server with the real CRD and webhook
// files, the real manager binary with the rights that config/rbac gives it, and the real kubectl.
//
// The parts are not started one by one here and none of their functions is called: what one package alone promises is
// tested beside it. Each spec has a namespace of its own, and waits for events and never for time.
package integration
