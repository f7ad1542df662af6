package connections

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// maxHeads bounds the bytes of heads, which are requests up to their body, that have arrived in part. net/http makes up
// to 25 times as much of them: each header of some bytes is an entry of a map. A TLS handshake counts as a head, and
// has about 2 KiB.
const maxHeads = 2 << 20

// carried is what a connection may have read of the next head before the request before it has ended: a record of TLS.
const carried = 16 << 10

// Heads bounds what all heads of a server take that have arrived in part. If it is too much, the connection with the
// longest head is closed, of the address that has most of them, so that nobody can keep others out by long heads.
//
// A server has one: it serves the Listener, as it is or with TLS, and calls Observe as its ConnState.
type Heads struct {
	limit int

	mutex     sync.Mutex
	bytes     int
	addresses map[string]*heads
}

// heads are those of one address.
type heads struct {
	bytes       int
	connections map[*headConnection]int // how many bytes of a head
}

// NewHeads returns the Heads of one server.
func NewHeads() *Heads { return &Heads{limit: maxHeads, addresses: map[string]*heads{}} }

// Listener returns a listener whose connections count.
func (h *Heads) Listener(listener net.Listener) net.Listener { return &headListener{listener, h} }

// Observe is called when the state of a connection has changed.
func (h *Heads) Observe(connection net.Conn, state http.ConnState) {
	if c := Find[*headConnection](connection); c != nil {
		c.observe(state)
	}
}

// Find returns the connection of a type that another one is, or is made of, such as one with TLS. It returns the zero
// value where there is none.
func Find[T net.Conn](connection net.Conn) (found T) {
	for {
		if found, ok := connection.(T); ok {
			return found
		}
		outer, ok := connection.(interface{ NetConn() net.Conn })
		if !ok {
			return found
		}
		connection = outer.NetConn()
	}
}

type headListener struct {
	net.Listener

	heads *Heads
}

// Accept waits for the next connection.
func (l *headListener) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	address := AddressOf(accepted.RemoteAddr().String())
	return &headConnection{Conn: accepted, of: l.heads, address: address, reading: true}, nil
}

type headConnection struct {
	net.Conn

	of      *Heads
	address string

	// The mutex of its Heads guards these.
	reading   bool // a head and not a body
	idle      bool // and nothing was read since the request before
	deadlines int  // that were set since then
}

// Read counts what is read of a head.
func (c *headConnection) Read(into []byte) (int, error) {
	c.count(c.of.carried(c))
	read, err := c.Conn.Read(into)
	c.count(read)
	return read, err
}

func (c *headConnection) count(read int) {
	if longest := c.of.add(c, read); longest != nil {
		_ = longest.Close()
	}
}

// SetReadDeadline sets the deadline of the next Read.
func (c *headConnection) SetReadDeadline(deadline time.Time) error {
	c.of.mutex.Lock()
	c.deadlines++
	c.of.mutex.Unlock()
	return c.Conn.SetReadDeadline(deadline)
}

// Close closes the connection, whose head no longer counts.
func (c *headConnection) Close() error {
	c.observe(http.StateClosed)
	return c.Conn.Close()
}

// NetConn returns the connection that this one is made of.
func (c *headConnection) NetConn() net.Conn { return c.Conn }

// CloseWrite is what net/http calls before it closes, so that the caller can read the answer to its end.
func (c *headConnection) CloseWrite() error {
	if connection, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return connection.CloseWrite()
	}
	return nil
}

// observe forgets a head that has arrived as a whole.
func (c *headConnection) observe(state http.ConnState) {
	h := c.of
	h.mutex.Lock()
	defer h.mutex.Unlock()
	c.reading = state == http.StateNew || state == http.StateIdle
	c.idle, c.deadlines = state == http.StateIdle, 0
	if of := h.addresses[c.address]; of != nil {
		h.bytes, of.bytes = h.bytes-of.connections[c], of.bytes-of.connections[c]
		delete(of.connections, c)
		if len(of.connections) == 0 {
			delete(h.addresses, c.address)
		}
	}
}

// carried returns how much of the head that is about to be read may have been read already. net/http waits for it with
// one deadline, and then sets the one of heads, before it reads from the connection only if it has the beginning.
func (h *Heads) carried(c *headConnection) int {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	first := c.idle
	c.idle = false
	if first && c.deadlines > 1 {
		return carried
	}
	return 0
}

// add counts bytes of a connection, and returns the one to close if there are too many now.
func (h *Heads) add(c *headConnection, read int) *headConnection {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if !c.reading || read <= 0 {
		return nil
	}
	of := h.addresses[c.address]
	if of == nil {
		of = &heads{connections: map[*headConnection]int{}}
		h.addresses[c.address] = of
	}
	of.connections[c] += read
	h.bytes, of.bytes = h.bytes+read, of.bytes+read
	if h.bytes <= h.limit {
		return nil
	}
	for _, other := range h.addresses {
		if other.bytes > of.bytes {
			of = other
		}
	}
	longest := c
	for other, bytes := range of.connections {
		if bytes > of.connections[longest] {
			longest = other
		}
	}
	return longest
}
