package budget

import (
	"net"
	"sync"

	"dispatcher.ivan.vc/internal/connections"
)

// LimitConnections bounds the connections that a listener has at a time. Each takes memory, also while nothing is sent.
// More wait to be accepted. A source address that has a quarter of them, and is not one of exempt, gets no more: those
// are closed at once.
func LimitConnections(listener net.Listener, limit int, exempt Addresses) net.Listener {
	return &limitedListener{
		Listener: listener,
		places:   make(chan struct{}, limit),
		shares:   newShares(shareOf(limit), exempt),
		closed:   make(chan struct{}),
	}
}

// limitedListener is not netutil.LimitListener, whose connections hide CloseWrite: without it, net/http cuts an
// answer that it gives before the request has ended.
type limitedListener struct {
	net.Listener
	places chan struct{}
	shares *shares
	once   sync.Once
	closed chan struct{}
}

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		select {
		case l.places <- struct{}{}:
		case <-l.closed:
			return nil, net.ErrClosed
		}
		connection, err := l.Listener.Accept()
		if err != nil {
			<-l.places
			return nil, err
		}
		connections.BoundBuffers(connection)
		if release := l.shares.take(connection.RemoteAddr().String()); release != nil {
			return &limitedConn{Conn: connection, release: sync.OnceFunc(func() {
				release()
				<-l.places
			})}, nil
		}
		_ = connection.Close()
		<-l.places
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
	release func()
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
