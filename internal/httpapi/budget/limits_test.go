package budget

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// What a call waited for in vain, and what it gave back, is there for others.
func TestNoBytesAreLost(t *testing.T) {
	const one, other, patience = "10.0.0.1:1", "10.0.0.2:1", time.Second
	synctest.Test(t, func(t *testing.T) {
		bytes := NewBytes(16, patience, nil)
		take := func(remote string, n int64) *Claim {
			t.Helper()
			claim, err := bytes.Take(t.Context(), remote, n)
			if err != nil {
				t.Fatalf("%d bytes for %s: %v", n, remote, err)
			}
			return claim
		}
		refuse := func(remote string, n int64) {
			t.Helper()
			begun := time.Now()
			if _, err := bytes.Take(t.Context(), remote, n); !errors.Is(err, ErrExhausted) {
				t.Errorf("%d bytes for %s: error %v, want ErrExhausted", n, remote, err)
			}
			if waited := time.Since(begun); waited != patience {
				t.Errorf("%d bytes for %s: waited for %v, want %v", n, remote, waited, patience)
			}
		}

		first, second := take(one, 3), take(one, 1)
		refuse(one, 1) // An address has a quarter.
		take(other, 4).Release()
		first.Release()
		first.Release() // The second call of the address goes on to count.
		refuse(one, 4)
		take(one, 3).Release()

		all := take("@", 15)
		refuse(one, 3)
		refuse("@", 1)
		all.Release()
		take(one, 3).Release()
		second.Shrink(-1)
		take(one, 4).Release()
		take("@", 16).Release()
		if len(bytes.shares) > 0 {
			t.Errorf("%d addresses are counted after all was given back", len(bytes.shares))
		}
		bytes = NewBytes(3, patience, nil)
		third := take(one, 1) // A quarter is one byte at least, and at most.
		refuse(one, 1)
		third.Release()
	})
}

// A call that waits in vain for a place counts for nothing, and one that has a place does not take another.
func TestNoPlacesAreLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		places := NewPlaces(1, nil)
		first, err := places.Await(t.Context(), "10.0.0.1:1", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if _, err := places.Await(t.Context(), "10.0.0.2:1", time.Second); !errors.Is(err, ErrFull) {
			t.Errorf("error %v, want ErrFull", err)
		}
		if waited := time.Since(begun); waited != time.Second {
			t.Errorf("waited for %v, want a second", waited)
		}
		if err := first.Return(t.Context(), time.Second); err != nil || places.Taken() != 1 {
			t.Errorf("a call with a place returns: %v, %d places are taken", err, places.Taken())
		}
		first.Leave()
		if places.Taken() != 0 || len(places.shares.taken) > 0 {
			t.Errorf("%d places are taken, and %d addresses counted", places.Taken(), len(places.shares.taken))
		}
	})
}

// fakeListener accepts the connections that it is sent, and fails where it is sent none.
type fakeListener struct {
	net.Listener
	next chan net.Conn
}

func (l *fakeListener) Accept() (net.Conn, error) {
	if connection := <-l.next; connection != nil {
		return connection, nil
	}
	return nil, errors.New("too many open files")
}

func (l *fakeListener) Close() error { return nil }

// fakeConnection comes from an address.
type fakeConnection struct {
	net.Conn
	from                string
	closed, closedWrite bool
}

func (c *fakeConnection) RemoteAddr() net.Addr { return fakeAddress(c.from) }
func (c *fakeConnection) Close() error         { c.closed = true; return nil }
func (c *fakeConnection) CloseWrite() error    { c.closedWrite = true; return nil }

type fakeAddress string

func (fakeAddress) Network() string  { return "tcp" }
func (a fakeAddress) String() string { return string(a) }

// However connections end, their places are there for others. Where one is lost, the last Accept waits for ever.
func TestNoConnectionsAreLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &fakeListener{next: make(chan net.Conn, 100)}
		listener := newLimitedListener(inner, 4, nil)
		open := func(from string) (*fakeConnection, net.Conn) {
			t.Helper()
			connection := &fakeConnection{from: from}
			inner.next <- connection
			accepted, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			return connection, accepted
		}
		for range 5 {
			inner.next <- nil
			if _, err := listener.Accept(); err == nil {
				t.Error("the error of the listener is lost")
			}
		}
		_, stays := open("10.0.0.1:1")
		var refused []*fakeConnection
		for range 5 {
			refused = append(refused, &fakeConnection{from: "10.0.0.1:2"})
			inner.next <- refused[len(refused)-1]
		}
		connection, accepted := open("10.0.0.2:1") // Those before are more than the share of their address.
		for _, one := range refused {
			if !one.closed {
				t.Error("a connection that was not accepted is open")
			}
		}
		if half, ok := accepted.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil || !connection.closedWrite {
			t.Error("one direction alone cannot be closed")
		}
		for range 5 {
			_ = accepted.Close()
			_ = accepted.Close() // as net/http does
			if len(listener.places) != 1 {
				t.Fatalf("%d connections are counted, want the one that stays", len(listener.places))
			}
			_, accepted = open("10.0.0.2:1")
		}
		open("10.0.0.3:1")
		open("10.0.0.4:1")
		waits := &fakeConnection{from: "10.0.0.5:1"}
		inner.next <- waits
		ended := make(chan error, 1)
		go func() {
			_, err := listener.Accept()
			ended <- err
		}()
		synctest.Wait()
		_ = listener.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("a full listener that is closed ends with %v", err)
		}
		if !waits.closed {
			t.Error("the connection that waited for a place is open")
		}
		_ = stays.Close()
	})
}

func TestAddressesAreReadAsTheyAreCompared(t *testing.T) {
	var addresses Addresses
	if err := addresses.UnmarshalText([]byte("::ffff:10.1.2.3,10.9.1.1/16,fe80::/64,")); err != nil {
		t.Fatal(err)
	}
	if text, err := addresses.MarshalText(); string(text) != "10.1.2.3,10.9.0.0/16,fe80::/64" || err != nil {
		t.Errorf("got %s, error %v", text, err)
	}
	places := NewPlaces(1, addresses)
	for remote, want := range map[string]bool{
		"10.1.2.3:1": true, "[::ffff:10.1.2.3]:1": true, "10.9.255.1:1": true, "[fe80::1%eth0]:1": true,
		"10.1.2.4:1": false, "[fe81::1]:1": false, "@": false,
	} {
		if got := places.Shared(remote); got != want {
			t.Errorf("%s: shared = %v, want %v", remote, got, want)
		}
	}
}
