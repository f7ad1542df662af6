// Package connections bounds the connections to a server whose port strangers may reach. It must not know what is
// served.
package connections

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

// limited is a listener with a bound on what it has accepted and is still open.
type limited struct {
	net.Listener

	limit int

	mutex     sync.Mutex
	number    int
	accepted  uint64
	byAddress map[string][]*connection // the oldest first
}

type connection struct {
	net.Conn

	of      *limited
	address string
	order   uint64 // of being accepted
	once    sync.Once
}

// socketBuffer bounds what the kernel keeps of a connection each way. The kernel counts twice as much, and would keep
// some MiB otherwise: requests that are not read yet, and answers that the caller does not read.
const socketBuffer = 32 << 10

// BoundBuffers bounds what the kernel keeps of a connection: 64 KiB each way, with what it needs itself. That counts as
// the container's memory, and not as Go's.
func BoundBuffers(connection net.Conn) {
	if tcp, ok := connection.(*net.TCPConn); ok {
		// A connection that fails here fails at its first use.
		_ = tcp.SetReadBuffer(socketBuffer)
		_ = tcp.SetWriteBuffer(socketBuffer)
	}
}

// Limit bounds the connections that listener has accepted and that are still open. If there are too many, the oldest
// connection of the address with most of them is closed, so that nobody can keep others out by opening many. It bounds
// the buffers of each, too.
func Limit(listener net.Listener, limit int) net.Listener {
	return newLimited(listener, limit)
}

func newLimited(listener net.Listener, limit int) *limited {
	return &limited{Listener: listener, limit: limit, byAddress: map[string][]*connection{}}
}

// Accept waits for the next connection.
func (l *limited) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	BoundBuffers(accepted)
	added := &connection{Conn: accepted, of: l, address: AddressOf(accepted.RemoteAddr().String())}
	if tooMany := l.add(added); tooMany != nil {
		_ = tooMany.Close()
	}
	return added, nil
}

// add counts a connection and returns the one to close if there are too many now. Of addresses that have as many, the
// one whose oldest connection is older loses it: a new one, as of a probe, always has time for a request.
func (l *limited) add(added *connection) *connection {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.number++
	l.accepted++
	added.order = l.accepted
	l.byAddress[added.address] = append(l.byAddress[added.address], added)
	if l.number <= l.limit {
		return nil
	}
	most := l.byAddress[added.address]
	for _, open := range l.byAddress {
		if len(open) > len(most) || len(open) == len(most) && open[0].order < most[0].order {
			most = open
		}
	}
	return most[0]
}

// Close closes the connection and no longer counts it.
func (c *connection) Close() error {
	c.once.Do(func() { c.of.remove(c) })
	return c.Conn.Close()
}

// CloseWrite is what net/http calls before it closes, so that the caller can read the answer to its end.
func (c *connection) CloseWrite() error {
	if connection, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return connection.CloseWrite()
	}
	return nil
}

func (l *limited) remove(closed *connection) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.number--
	open := l.byAddress[closed.address]
	if i := slices.Index(open, closed); i >= 0 {
		open = slices.Delete(open, i, i+1)
	}
	if len(open) == 0 {
		delete(l.byAddress, closed.address)
		return
	}
	l.byAddress[closed.address] = open
}

// AddressOf returns the address that a host:port counts for. A host with IPv6 can choose from a network of 64 bits.
func AddressOf(hostPort string) string {
	address, err := netip.ParseAddrPort(hostPort)
	if err != nil {
		return hostPort
	}
	ip := address.Addr().Unmap()
	if ip.Is4() {
		return ip.String()
	}
	network, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return ip.String()
	}
	return network.String()
}
