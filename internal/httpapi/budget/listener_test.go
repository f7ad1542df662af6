package budget

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// boundedServer answers GET / at once, and GET /long when release gets a value.
type boundedServer struct {
	t        *testing.T
	listener *limitedListener
	address  string
	begun    chan struct{}
	release  chan struct{}
}

func startBounded(t *testing.T, limit int, exempt Addresses) *boundedServer {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: patience}
	listener := LimitConnections(inner, server, limit, exempt).(*limitedListener)
	b := &boundedServer{t, listener, inner.Addr().String(), make(chan struct{}, limit), make(chan struct{})}
	server.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			b.begun <- struct{}{}
			<-b.release
		}
	})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		close(b.release)
		if err := server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		if taken, left := len(listener.places), len(listener.idle); taken > 0 || left > 0 {
			t.Errorf("%d places are taken and connections of %d addresses idle, and all are closed", taken, left)
		}
	})
	return b
}

// idle waits until so many connections are idle, which one is a moment after its answer.
func (b *boundedServer) idle(want int) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); ; runtime.Gosched() {
		b.listener.mutex.Lock()
		number := 0
		for _, connections := range b.listener.idle {
			number += len(connections)
		}
		b.listener.mutex.Unlock()
		if number == want {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%d connections are idle, want %d", number, want)
		}
	}
}

// dialled is a connection of a caller.
type dialled struct {
	net.Conn
	t      *testing.T
	reader *bufio.Reader
}

func (b *boundedServer) dial(source string) *dialled {
	b.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	connection, err := dialer.DialContext(b.t.Context(), "tcp", b.address)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { connection.Close() })
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		b.t.Fatal(err)
	}
	return &dialled{connection, b.t, bufio.NewReader(connection)}
}

func (d *dialled) send(path string) *dialled {
	d.t.Helper()
	if _, err := io.WriteString(d, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		d.t.Fatal(err)
	}
	return d
}

func (d *dialled) answered() *dialled {
	d.t.Helper()
	response, err := http.ReadResponse(d.reader, nil)
	if err != nil {
		d.t.Fatalf("%s has no answer: %v", d.LocalAddr(), err)
	}
	_ = response.Body.Close()
	return d
}

// isClosed waits until the server has closed the connection.
func (d *dialled) isClosed() {
	d.t.Helper()
	if _, err := d.reader.ReadByte(); err != io.EOF {
		d.t.Errorf("%s: got %v, and should be closed", d.LocalAddr(), err)
	}
}

// Connections that do nothing keep nobody out, however many addresses have their share of them.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	b := startBounded(t, 8, nil)
	var first, second []*dialled
	for _, source := range []string{"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"} {
		first = append(first, b.dial(source).send("/").answered())
		second = append(second, b.dial(source).send("/").answered())
	}
	b.idle(8)
	for _, connection := range first {
		connection.send("/").answered() // The second is idle for longer now.
	}
	b.idle(8)
	late := []*dialled{b.dial("127.0.0.6").send("/").answered(), b.dial("127.0.0.7").send("/").answered()}
	lost := 0
	for i := range first {
		first[i].send("/").answered()
		if _, err := io.WriteString(second[i], "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err == nil {
			if _, err := http.ReadResponse(second[i].reader, nil); err == nil {
				continue
			}
		}
		lost++
	}
	if lost != len(late) {
		t.Errorf("%d connections were closed for %d new ones", lost, len(late))
	}
}

// A connection with a request keeps its place, and the new one waits for the first that has none any more.
func TestBusyConnectionsKeepTheirPlace(t *testing.T) {
	b := startBounded(t, 4, nil)
	var busy []*dialled
	for _, source := range []string{"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"} {
		busy = append(busy, b.dial(source).send("/long"))
		<-b.begun
	}
	late := b.dial("127.0.0.6").send("/")
	b.release <- struct{}{} // one of them
	late.answered()
	for range len(busy) - 1 {
		b.release <- struct{}{}
	}
	for _, connection := range busy {
		connection.answered()
	}
}

// An address that has as many as others, and more than its share allows nobody, loses one of its own.
func TestANewConnectionCostsTheAddressThatHasMost(t *testing.T) {
	b := startBounded(t, 8, nil)
	alone := map[string]*dialled{}
	for _, source := range []string{"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6", "127.0.0.7",
		"127.0.0.8", "127.0.0.9"} {
		alone[source] = b.dial(source).send("/").answered()
	}
	b.dial("127.0.0.2").send("/").answered()
	alone["127.0.0.2"].isClosed()
	delete(alone, "127.0.0.2")
	for _, connection := range alone {
		connection.send("/").answered()
	}
}

// An address that many callers share loses none, and its new connections get room.
func TestSharedAddressesKeepTheirConnections(t *testing.T) {
	var exempt Addresses
	if err := exempt.UnmarshalText([]byte("127.0.0.2")); err != nil {
		t.Fatal(err)
	}
	b := startBounded(t, 4, exempt)
	var shared []*dialled
	for range 3 {
		shared = append(shared, b.dial("127.0.0.2").send("/").answered())
	}
	other := b.dial("127.0.0.3").send("/").answered()
	b.dial("127.0.0.4").send("/").answered()
	other.isClosed()
	for _, connection := range append(shared, b.dial("127.0.0.2")) {
		connection.send("/").answered()
	}
}
