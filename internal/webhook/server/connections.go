package server

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

// connections is a listener with a bound on what it has accepted and is still open. Where there are too many, the
// oldest connection of the address with most of them is closed, so that nobody can keep others out by opening many.
type connections struct {
	net.Listener

	limit int

	mutex     sync.Mutex
	number    int
	byAddress map[string][]*connection // the oldest first
}

type connection struct {
	net.Conn

	of      *connections
	address string
	once    sync.Once
}

func limitConnections(listener net.Listener, limit int) *connections {
	return &connections{Listener: listener, limit: limit, byAddress: map[string][]*connection{}}
}

// Accept waits for the next connection.
func (c *connections) Accept() (net.Conn, error) {
	accepted, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	added := &connection{Conn: accepted, of: c, address: addressOf(accepted.RemoteAddr().String())}
	if tooMany := c.add(added); tooMany != nil {
		_ = tooMany.Close()
	}
	return added, nil
}

// add counts a connection and returns the one to close where there are too many now.
func (c *connections) add(added *connection) *connection {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.number++
	c.byAddress[added.address] = append(c.byAddress[added.address], added)
	if c.number <= c.limit {
		return nil
	}
	most := c.byAddress[added.address]
	for _, open := range c.byAddress {
		if len(open) > len(most) {
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

func (c *connections) remove(closed *connection) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.number--
	open := c.byAddress[closed.address]
	if i := slices.Index(open, closed); i >= 0 {
		open = slices.Delete(open, i, i+1)
	}
	if len(open) == 0 {
		delete(c.byAddress, closed.address)
		return
	}
	c.byAddress[closed.address] = open
}

// addressOf returns the address that a host:port counts for. A host with IPv6 can choose from a network of 64 bits.
func addressOf(hostPort string) string {
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
