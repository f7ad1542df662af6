package connections

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// headServer is a server with few bytes for heads. Its callers are at net.Pipe, and have the addresses that they say.
type headServer struct {
	t        *testing.T
	heads    *Heads
	accepted chan net.Conn
	closed   chan struct{}
}

type pipe struct {
	net.Conn

	from address
}

func (p *pipe) RemoteAddr() net.Addr { return p.from }

// Accept implements net.Listener.
func (s *headServer) Accept() (net.Conn, error) {
	select {
	case connection := <-s.accepted:
		return connection, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (s *headServer) Close() error {
	close(s.closed)
	return nil
}

// Addr implements net.Listener.
func (s *headServer) Addr() net.Addr { return address("10.0.0.9") }

// serveHeads calls try with a server, in synctest's time.
func serveHeads(t *testing.T, limit int, try func(t *testing.T, s *headServer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &headServer{t: t, heads: NewHeads(), accepted: make(chan net.Conn), closed: make(chan struct{})}
		s.heads.limit = limit
		server := &http.Server{
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
			}),
			ConnState:         s.heads.Observe,
			ReadHeaderTimeout: time.Hour,
			IdleTimeout:       time.Hour,
		}
		go func() { _ = server.Serve(s.heads.Listener(s)) }()
		defer func() { _ = server.Close() }()
		try(t, s)
	})
}

// caller is a connection, and what was answered on it.
type caller struct {
	net.Conn

	answers strings.Builder
	closed  bool // by the server
}

func (s *headServer) dial(from string) *caller {
	near, far := net.Pipe()
	s.accepted <- &pipe{Conn: far, from: address(from)}
	c := &caller{Conn: near}
	go func() {
		_, _ = io.Copy(&c.answers, near)
		c.closed = true
	}()
	return c
}

// send sends text as long as the server reads it, and returns when the server waits.
func (c *caller) send(text string) {
	_, _ = io.WriteString(c, text)
	synctest.Wait()
}

const (
	head     = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n"
	longHead = 4000
)

// long returns the beginning of a head.
func long(length int) string {
	return "GET / HTTP/1.1\r\n" + strings.Repeat("a:\r\n", length/4)
}

func TestOneAddressCannotHoldLongHeads(t *testing.T) {
	serveHeads(t, 3*longHead, func(t *testing.T, s *headServer) {
		silent, innocent := s.dial("10.0.0.1"), s.dial("10.0.0.1")
		innocent.send(head[:20])
		longest := s.dial("10.6.6.6")
		longest.send(long(longHead - 500))
		var others []*caller
		for range 3 {
			other := s.dial("10.6.6.6")
			other.send(long(longHead - 1000))
			others = append(others, other)
		}
		if !longest.closed {
			t.Error("the longest head was not cut")
		}
		innocent.send(head[20:])
		innocent.send(strings.Repeat("x", longHead)) // A body does not count.
		for _, other := range append(others, silent, innocent) {
			if other.closed {
				t.Error("another connection was cut")
			}
		}
		if answer := innocent.answers.String(); !strings.HasPrefix(answer, "HTTP/1.1 200") {
			t.Errorf("the innocent caller got %q", answer)
		}
		for _, other := range others {
			_ = other.Close()
		}
		synctest.Wait()
		innocent.send(head[:20])
		s.heads.mutex.Lock()
		defer s.heads.mutex.Unlock()
		if s.heads.bytes != 20 || len(s.heads.addresses) != 1 {
			t.Errorf("%d bytes of %d addresses count at the end", s.heads.bytes, len(s.heads.addresses))
		}
	})
}

// What was read together with the request before counts, too.
func TestHeadsThatFollowARequestCount(t *testing.T) {
	serveHeads(t, carried+longHead, func(t *testing.T, s *headServer) {
		var strangers []*caller
		for range 2 {
			stranger := s.dial("10.6.6.6")
			stranger.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n" + long(longHead-100))
			strangers = append(strangers, stranger)
		}
		if strangers[0].closed == strangers[1].closed {
			t.Errorf("both are closed: %v", strangers[0].closed)
		}
	})
}

func TestManyHeadersAreRefused(t *testing.T) {
	handler := LimitHeaders(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for reason, add := range map[string]func(r *http.Request, i int){
		"headers":             func(r *http.Request, i int) { r.Header.Add(fmt.Sprint("a", i), "") },
		"values of one":       func(r *http.Request, _ int) { r.Header.Add("a", "") },
		"trailers to be sent": func(r *http.Request, i int) { r.Trailer[fmt.Sprint("A", i)] = nil },
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Trailer = http.Header{}
		for i := range maxHeaders {
			add(r, i)
		}
		for _, want := range []int{http.StatusOK, http.StatusRequestHeaderFieldsTooLarge} {
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, r)
			if answer.Code != want {
				t.Errorf("%s: got %d, want %d", reason, answer.Code, want)
			}
			add(r, maxHeaders)
		}
	}
}
