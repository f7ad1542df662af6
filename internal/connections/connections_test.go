package connections

import (
	"net"
	"syscall"
	"testing"
)

// address is where a connection comes from.
type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) + ":1" }

type fakeConnection struct {
	net.Conn

	from   address
	closed bool
}

func (c *fakeConnection) RemoteAddr() net.Addr { return c.from }

func (c *fakeConnection) Close() error {
	c.closed = true
	return nil
}

// fakeListener accepts what it is given.
type fakeListener struct {
	net.Listener

	next net.Conn
}

func (l *fakeListener) Accept() (net.Conn, error) { return l.next, nil }

func TestTheAddressWithMostConnectionsLosesItsOldest(t *testing.T) {
	inner := &fakeListener{}
	listener := newLimited(inner, 4)
	open := func(from string) (*fakeConnection, net.Conn) {
		connection := &fakeConnection{from: address(from)}
		inner.next = connection
		accepted, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return connection, accepted
	}
	server, _ := open("10.0.0.1")
	first, _ := open("10.6.6.6")
	second, accepted := open("10.6.6.6")
	third, _ := open("10.6.6.6")
	if first.closed || server.closed {
		t.Fatal("a connection was closed before there were too many")
	}
	late, _ := open("10.0.0.2")
	if !first.closed || second.closed || third.closed || server.closed || late.closed {
		t.Error("not just the oldest one of the stranger was closed")
	}
	fourth, _ := open("10.6.6.6")
	if !second.closed || fourth.closed || server.closed || late.closed {
		t.Error("a new one of the stranger did not cost one of its own")
	}

	_ = accepted.Close() // again, as net/http does
	for len(listener.byAddress) > 0 {
		for _, open := range listener.byAddress {
			_ = open[0].Close()
			break
		}
	}
	if listener.number != 0 {
		t.Errorf("%d connections are counted, and all are closed", listener.number)
	}
}

// A probe must get through although every place is taken by another address.
func TestOfAddressesWithAsManyConnectionsTheOldestLosesOne(t *testing.T) {
	inner := &fakeListener{}
	listener := newLimited(inner, 3)
	var opened []*fakeConnection
	for _, from := range []address{"10.6.6.1", "10.6.6.2", "10.6.6.3", "10.0.0.1", "10.6.6.1"} {
		connection := &fakeConnection{from: from}
		inner.next = connection
		if _, err := listener.Accept(); err != nil {
			t.Fatal(err)
		}
		opened = append(opened, connection)
	}
	for i, closed := range []bool{true, true, false, false, false} {
		if opened[i].closed != closed {
			t.Errorf("connection %d, from %s: closed: %v", i, opened[i].from, opened[i].closed)
		}
	}
}

func TestAddressOf(t *testing.T) {
	for _, test := range []struct{ reason, hostPort, want string }{
		{"IPv4", "10.0.0.1:80", "10.0.0.1"},
		{"IPv4 on a socket for both", "[::ffff:10.0.0.1]:80", "10.0.0.1"},
		{"IPv6 counts by network", "[2001:db8::1:2:3:4]:80", "2001:db8::/64"},
		{"a zone does not make another address", "[fe80::1%eth0]:80", "fe80::/64"},
		{"something else", "pipe", "pipe"},
	} {
		if got := AddressOf(test.hostPort); got != test.want {
			t.Errorf("%s: got %q, want %q", test.reason, got, test.want)
		}
	}
}

// What a caller sends and nobody reads yet, and what it does not read, is the kernel's memory.
func TestKernelKeepsLittleOfAConnection(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := Limit(inner, 8)
	defer listener.Close()
	caller, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	raw, err := accepted.(*connection).Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for reason, option := range map[string]int{"requests": syscall.SO_RCVBUF, "answers": syscall.SO_SNDBUF} {
		var size int
		var optionErr error
		if err := raw.Control(func(fd uintptr) {
			size, optionErr = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, option)
		}); err != nil || optionErr != nil {
			t.Fatal(err, optionErr)
		}
		if size > 2*socketBuffer {
			t.Errorf("of %s, the kernel keeps %d bytes", reason, size)
		}
	}
}
