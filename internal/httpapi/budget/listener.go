package budget

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"

	"dispatcher.ivan.vc/internal/connections"
)

// LimitConnections bounds the connections of a server at a time. Each takes memory, also while nothing is sent. A
// source address that has a quarter of them, and is not one of exempt, gets no more: those are closed at once.
//
// If there are as many as there may be, a new connection gets the place of an idle one: of the address that has most,
// unless the address of the new one has more. Otherwise it waits until a connection is idle or closed. Exempt addresses
// lose none.
//
// The server must serve what is returned, as it is or with TLS. Its ConnState is set.
func LimitConnections(listener net.Listener, server *http.Server, limit int, exempt Addresses) net.Listener {
	limited := newLimitedListener(listener, limit, exempt)
	server.ConnState = limited.observe
	return limited
}

// limitedListener is not netutil.LimitListener, whose connections hide CloseWrite: without it, net/http cuts an
// answer that it gives before the request has ended.
type limitedListener struct {
	net.Listener
	places chan struct{}
	shares *shares

	// becameIdle has a value when a connection became idle since it was looked for one.
	becameIdle chan struct{}
	once       sync.Once
	closed     chan struct{}

	mutex sync.Mutex
	idle  map[netip.Addr][]*limitedConn // idle for longest first
}

func newLimitedListener(listener net.Listener, limit int, exempt Addresses) *limitedListener {
	return &limitedListener{
		Listener:   listener,
		places:     make(chan struct{}, limit),
		shares:     newShares(shareOf(limit), exempt),
		becameIdle: make(chan struct{}, 1),
		closed:     make(chan struct{}),
		idle:       map[netip.Addr][]*limitedConn{},
	}
}

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		connection, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		connections.BoundBuffers(connection)
		remote := connection.RemoteAddr().String()
		release := l.shares.take(remote)
		if release == nil {
			_ = connection.Close()
			continue
		}
		accepted := &limitedConn{Conn: connection}
		accepted.address, accepted.counts = countedSource(remote, l.shares.exempt)
		if !l.place(accepted) {
			_ = connection.Close()
			release()
			return nil, net.ErrClosed
		}
		accepted.release = sync.OnceFunc(func() {
			l.forget(accepted)
			release()
			<-l.places
		})
		return accepted, nil
	}
}

// place waits for a place for a connection, and returns false where the listener was closed before there was one.
func (l *limitedListener) place(accepted *limitedConn) bool {
	for {
		select {
		case l.places <- struct{}{}:
			return true
		default:
		}
		if idle := l.replaceable(accepted); idle != nil {
			_ = idle.Close()
		}
		select {
		case l.places <- struct{}{}:
			return true
		case <-l.becameIdle:
		case <-l.closed:
			return false
		}
	}
}

// replaceable returns the idle connection whose place a new one can take, nil if there is none.
func (l *limitedListener) replaceable(accepted *limitedConn) *limitedConn {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	most := 1 // An exempt address stands for many callers.
	if accepted.counts {
		most = l.shares.count(accepted.address)
	}
	var found *limitedConn
	for address, idle := range l.idle {
		if count := l.shares.count(address); count > most || count == most && found == nil {
			most, found = count, idle[0]
		}
	}
	return found
}

// observe keeps account of which connections are idle.
func (l *limitedListener) observe(connection net.Conn, state http.ConnState) {
	if limited := connections.Find[*limitedConn](connection); limited != nil && limited.counts {
		l.mutex.Lock()
		defer l.mutex.Unlock()
		l.setIdle(limited, state == http.StateIdle)
	}
}

// forget is for a connection that is closed.
func (l *limitedListener) forget(connection *limitedConn) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.setIdle(connection, false)
	connection.closed = true
}

// setIdle needs the mutex.
func (l *limitedListener) setIdle(connection *limitedConn, idle bool) {
	if connection.idle == idle || connection.closed {
		return
	}
	connection.idle = idle
	others := l.idle[connection.address]
	if idle {
		l.idle[connection.address] = append(others, connection)
		select {
		case l.becameIdle <- struct{}{}:
		default:
		}
		return
	}
	i := slices.Index(others, connection)
	if others = slices.Delete(others, i, i+1); len(others) > 0 {
		l.idle[connection.address] = others
	} else {
		delete(l.idle, connection.address)
	}
}

// Close implements net.Listener.
func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// limitedConn gives its place back when it is closed.
type limitedConn struct {
	net.Conn
	address netip.Addr
	counts  bool // in the share of its address
	release func()

	idle, closed bool // guarded by the mutex of the listener
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// CloseWrite is what net/http calls before it closes, so that the caller can read the answer to its end.
func (c *limitedConn) CloseWrite() error {
	if connection, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return connection.CloseWrite()
	}
	return nil
}
