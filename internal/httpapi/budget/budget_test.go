package budget

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

const long = time.Hour

func TestBytesAreGivenBack(t *testing.T) {
	bytes := NewBytes(10, long, nil)
	first, err := bytes.Take(t.Context(), "@", 7)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan *Claim)
	go func() {
		claim, err := bytes.Take(t.Context(), "@", 6)
		if err != nil {
			t.Error(err)
		}
		got <- claim
	}()
	first.Shrink(8) // It never grows.
	first.Shrink(4)
	second := <-got
	first.Release()
	first.Release()
	second.Release()
	all, err := bytes.Take(t.Context(), "@", 100)
	if err != nil {
		t.Fatalf("more than there are is all there are: %v", err)
	}
	hungUp, hangUp := context.WithCancel(t.Context())
	hangUp()
	if _, err := bytes.Take(hungUp, "@", 1); !errors.Is(err, ErrExhausted) {
		t.Errorf("got %v where nothing is free, want ErrExhausted", err)
	}
	if _, err := (&Bytes{size: 10, free: bytes.free}).Take(t.Context(), "@", 1); !errors.Is(err, ErrExhausted) {
		t.Errorf("got %v after the patience has ended, want ErrExhausted", err)
	}
	all.Release()
	(*Claim)(nil).Release()
}

// Who has its share waits for itself, and is in nobody's way.
func TestOneAddressGetsAShareOfTheBytes(t *testing.T) {
	var exempt Addresses
	if err := exempt.UnmarshalText([]byte("10.1.2.3")); err != nil {
		t.Fatal(err)
	}
	bytes := NewBytes(16, long, exempt)
	take := func(ctx context.Context, remote string, n int64) *Claim {
		claim, err := bytes.Take(ctx, remote, n)
		if err != nil {
			t.Errorf("%d bytes for %s: %v", n, remote, err)
		}
		return claim
	}
	one := take(t.Context(), "10.0.0.1:1", 3)
	large := take(t.Context(), "10.0.0.2:1", 5) // All of its share, and what it needs.
	for _, remote := range []string{"10.0.0.1:2", "[::ffff:10.0.0.1]:3", "10.0.0.2:2"} {
		synctest.Test(t, func(t *testing.T) {
			patient, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := bytes.Take(patient, remote, 2); !errors.Is(err, ErrExhausted) {
				t.Errorf("%s: got %v above its share", remote, err)
			}
		})
	}
	got := make(chan *Claim)
	go func() { got <- take(t.Context(), "10.0.0.1:4", 4) }()
	shared := take(t.Context(), "10.1.2.3:1", 8) // It may have what is left, and does not wait behind the fourth.
	shared.Shrink(1)
	one.Shrink(1)
	one.Release()
	one.Release()
	(<-got).Release()
	shared.Release()
	large.Release()
	if len(bytes.shares) != 0 {
		t.Errorf("%d addresses are counted after all was given back", len(bytes.shares))
	}
	take(t.Context(), "@", 16).Release()
}

func TestOneAddressGetsAShareOfThePlaces(t *testing.T) {
	var exempt Addresses
	if err := exempt.UnmarshalText([]byte("10.1.2.3, 192.168.0.0/16,fd00::1")); err != nil {
		t.Fatal(err)
	}
	if text, err := exempt.MarshalText(); string(text) != "10.1.2.3,192.168.0.0/16,fd00::1" || err != nil {
		t.Errorf("got %s, error %v", text, err)
	}
	for _, test := range []struct {
		reason, one, other string
		want               error // what the fifth place of 16 is from the other
	}{
		{"one address", "10.0.0.1:1", "10.0.0.1:2", ErrShare},
		{"two addresses", "10.0.0.1:1", "10.0.0.2:1", nil},
		{"the same address in IPv6", "10.0.0.1:1", "[::ffff:10.0.0.1]:2", ErrShare},
		{"a network of one host", "[2001:db8::1]:1", "[2001:db8::ffff:2]:1", ErrShare},
		{"two networks", "[2001:db8::1]:1", "[2001:db8:0:1::1]:1", nil},
		{"an address that callers share", "10.1.2.3:1", "10.1.2.3:2", nil},
		{"a network that callers share", "192.168.1.1:1", "192.168.1.1:1", nil},
		{"a shared address in IPv6", "[fd00::1]:1", "[fd00::1]:2", nil},
		{"no address", "@", "@", nil},
	} {
		places := NewPlaces(16, exempt)
		var taken []*Place
		for range 4 {
			place, err := places.Take(test.one)
			if err != nil {
				t.Fatalf("%s: a place within the share: %v", test.reason, err)
			}
			taken = append(taken, place)
		}
		place, err := places.Take(test.other)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.reason, err, test.want)
		}
		for _, place := range append(taken, place) {
			if place != nil {
				place.Leave()
				place.Leave()
			}
		}
		if places.Taken() != 0 || len(places.shares.taken) != 0 {
			t.Errorf("%s: %d places are taken and %d addresses counted after all have left",
				test.reason, places.Taken(), len(places.shares.taken))
		}
	}
}

func TestPlacesThatAreLentAreTakenByOthers(t *testing.T) {
	places := NewPlaces(1, nil)
	first, err := places.Take("10.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := places.Take("10.0.0.2:1"); !errors.Is(err, ErrFull) {
		t.Errorf("got %v where all places are taken, want ErrFull", err)
	}
	first.Lend()
	if _, err := places.Take("10.0.0.1:2"); !errors.Is(err, ErrShare) {
		t.Errorf("got %v, want ErrShare: a call that has lent its place is still one of its address", err)
	}
	second, err := places.Take("10.0.0.2:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Return(t.Context(), time.Nanosecond); !errors.Is(err, ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
	back := make(chan error)
	go func() { back <- first.Return(t.Context(), long) }()
	second.Leave()
	if err := <-back; err != nil {
		t.Error(err)
	}
	first.Leave()
	if places.Taken() != 0 {
		t.Error("a place is lost")
	}
}

func TestAddressesRefuseWhatIsNone(t *testing.T) {
	for _, list := range []string{"localhost", "10.0.0.1:80", "10.0.0.0/33"} {
		var got Addresses
		if err := got.UnmarshalText([]byte(list)); err == nil {
			t.Errorf("%s: got %v", list, got)
		}
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := newLimitedListener(inner, 8, nil)
	defer listener.Close()
	accepted := make(chan net.Conn)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- connection
		}
	}()
	dial := func(source string) net.Conn {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
		connection, err := dialer.DialContext(t.Context(), "tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { connection.Close() })
		return connection
	}
	dial("127.0.0.1")
	first := <-accepted
	dial("127.0.0.1")
	<-accepted
	// The third of one address is closed: there is nothing to read.
	if _, err := dial("127.0.0.1").Read(make([]byte, 1)); err == nil {
		t.Error("an address got more than its share")
	}
	dial("127.0.0.2")
	<-accepted
	first.Close()
	first.Close()
	dial("127.0.0.1")
	<-accepted
}

// What a caller does not read stays with the handler, whose budget it counts in.
func TestKernelKeepsLittleOfAnAnswer(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := newLimitedListener(inner, 8, nil)
	defer listener.Close()
	caller, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	_ = caller.(*net.TCPConn).SetReadBuffer(32 << 10)
	connection, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if err := connection.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if taken, err := connection.Write(make([]byte, 16<<20)); err == nil || taken > 1<<20 {
		t.Errorf("%d bytes were taken, error %v", taken, err)
	}
}

func TestTryTakeApart(t *testing.T) {
	bytes := NewBytes(8, time.Hour, nil)
	first := bytes.TryTakeApart("10.0.0.1:1", 2, 2)
	if first.Size() != 2 || first.Of() != bytes {
		t.Fatalf("got %d bytes", first.Size())
	}
	if bytes.TryTakeApart("10.0.0.1:2", 1, 1) != nil {
		t.Error("an address got more than its share")
	}
	rest := bytes.TryTakeApart("", 6, 6)
	if rest.Size() != 6 || bytes.TryTakeApart("10.0.0.2:1", 1, 1) != nil {
		t.Error("more was taken than there is")
	}
	first.Release()
	rest.Release()
	if len(bytes.shares) != 0 {
		t.Errorf("%d shares are kept, and nothing is taken", len(bytes.shares))
	}
	if (*Claim)(nil).Size() != 0 {
		t.Error("no claim has a size")
	}
}
