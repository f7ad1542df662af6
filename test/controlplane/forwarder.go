package controlplane

import (
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
)

// Forwarder passes TCP connections on to one of its backends, in turn, as a Service does. Without a backend it closes
// them.
type Forwarder struct {
	listener net.Listener

	mu       sync.Mutex
	backends []string
	next     int
	open     map[net.Conn]bool
}

// NewForwarder listens at address.
func NewForwarder(address string) (*Forwarder, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening for webhooks: %w", err)
	}
	f := &Forwarder{listener: listener, open: map[net.Conn]bool{}}
	go f.serve()
	return f, nil
}

// Close stops listening. Connections that are open stay so until one end closes them.
func (f *Forwarder) Close() { _ = f.listener.Close() }

// Add makes address a backend.
func (f *Forwarder) Add(address string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Contains(f.backends, address) {
		f.backends = append(f.backends, address)
	}
}

// Remove takes address out again. Its open connections stay, as they do when a pod is no longer ready.
func (f *Forwarder) Remove(address string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.backends = slices.DeleteFunc(f.backends, func(b string) bool { return b == address })
}

// Cut closes every open connection.
func (f *Forwarder) Cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for connection := range f.open {
		_ = connection.Close()
	}
}

func (f *Forwarder) serve() {
	for {
		client, err := f.listener.Accept()
		if err != nil {
			return
		}
		go f.forward(client)
	}
}

func (f *Forwarder) forward(client net.Conn) {
	f.track(client, true)
	defer func() {
		f.track(client, false)
		_ = client.Close()
	}()
	backend, err := f.dial()
	if err != nil {
		return
	}
	defer func() { _ = backend.Close() }()
	ended := make(chan struct{}, 2)
	pipe := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		ended <- struct{}{}
	}
	go pipe(backend, client)
	go pipe(client, backend)
	<-ended
}

func (f *Forwarder) track(connection net.Conn, open bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if open {
		f.open[connection] = true
		return
	}
	delete(f.open, connection)
}

// dial connects to the next backend that answers.
func (f *Forwarder) dial() (net.Conn, error) {
	f.mu.Lock()
	backends := slices.Clone(f.backends)
	first := f.next
	f.next++
	f.mu.Unlock()
	err := error(net.ErrClosed)
	for i := range backends {
		var backend net.Conn
		if backend, err = net.Dial("tcp", backends[(first+i)%len(backends)]); err == nil {
			return backend, nil
		}
	}
	return nil, err
}
