package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dispatcher.ivan.vc/internal/connections"
)

// A server that has started says so, and stops with its context.
func TestStart(t *testing.T) {
	directory := t.TempDir()
	options := Options{
		BindAddress:     "127.0.0.1:0",
		CertificateFile: filepath.Join(directory, "tls.crt"), KeyFile: filepath.Join(directory, "tls.key"),
	}
	newAuthority(t, "serving").writeServing(options.CertificateFile, options.KeyFile)
	server := New(options)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- server.Start(ctx) }()
	for late := time.After(30 * time.Second); server.StartedChecker()(nil) != nil; {
		select {
		case <-late:
			t.Fatal("it does not say that it has started")
		case err := <-stopped:
			t.Fatalf("it has ended: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestOnlyReviewsReachTheWebhooks(t *testing.T) {
	r := run(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		if Address(r.Context()) != "127.0.0.1" {
			t.Errorf("a request of %q", Address(r.Context()))
		}
		fine(w, r)
	})
	response, err := r.client().Get("https://" + r.address + path)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("got %d", response.StatusCode)
	}
	if status, err := r.ask(r.client()); err != nil || status != http.StatusOK {
		t.Errorf("a review: got %d, %v", status, err)
	}
}

// Who opens more and more connections loses the first ones.
func TestConnectionsAreBounded(t *testing.T) {
	r := run(t, Options{}, fine)
	dial := func() (net.Conn, error) {
		return tls.Dial("tcp", r.address, &tls.Config{RootCAs: r.authority.pool()})
	}
	first, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if _, err := http.ReadResponse(ask(t, first, ""), nil); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() {
		_ = first.SetReadDeadline(time.Now().Add(idleTimeout / 2))
		_, err := first.Read(make([]byte, 1))
		closed <- err
	}()
	for {
		select {
		case err := <-closed:
			if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
				t.Error("the first connection stays open")
			}
			return
		default:
		}
		connection, err := dial()
		if err != nil {
			continue // It was closed for a later one.
		}
		defer connection.Close()
	}
}

// ask writes a review with more headers, and returns where the answer comes.
func ask(t *testing.T, connection net.Conn, headers string) *bufio.Reader {
	t.Helper()
	go func() {
		_, _ = fmt.Fprintf(connection, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"+
			"Content-Length: %d\r\n%s\r\n%s", path, len(review), headers, review)
	}()
	return bufio.NewReader(connection)
}

// pipes is a listener of connections in memory, which works in synctest's time.
type pipes struct {
	connections chan net.Conn
	closed      chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case connection := <-p.connections:
		return connection, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.IPAddr{} }

func (p *pipes) dial() net.Conn {
	near, far := net.Pipe()
	p.connections <- far
	return near
}

// servePipes calls try with a server in synctest's time, and with what stops it.
func servePipes(t *testing.T, hook http.HandlerFunc, try func(t *testing.T, p *pipes, stop func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := New(Options{})
		server.Register(path, hook)
		p := &pipes{make(chan net.Conn), make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan error, 1)
		go func() { stopped <- server.serve(ctx, p, connections.NewHeads()) }()
		try(t, p, cancel)
		cancel()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

// No caller keeps a connection for longer than a server of webhooks needs to.
func TestConnectionsEnd(t *testing.T) {
	large := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 1<<20)) }
	for _, test := range []struct {
		reason string
		begin  func(t *testing.T, connection net.Conn)
		want   time.Duration
	}{
		{"nothing is sent", func(*testing.T, net.Conn) {}, headerTimeout},
		{"the headers do not end", func(_ *testing.T, connection net.Conn) {
			_, _ = io.WriteString(connection, "POST / HTTP/1.1\r\n")
		}, headerTimeout},
		{"the answer is not read", func(t *testing.T, connection net.Conn) {
			answer := ask(t, connection, "")
			time.Sleep(writeTimeout + 1) // in synctest's time
			if n, err := io.Copy(io.Discard, answer); n > 64<<10 {
				t.Errorf("read %d bytes after the time for the answer, %v", n, err)
			}
		}, writeTimeout + 1},
		{"nothing is asked any more", func(t *testing.T, connection net.Conn) {
			response, err := http.ReadResponse(ask(t, connection, ""), nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, response.Body)
		}, idleTimeout},
	} {
		servePipes(t, large, func(t *testing.T, p *pipes, _ func()) {
			connection := p.dial()
			defer connection.Close()
			begun := time.Now()
			test.begin(t, connection)
			_, _ = io.Copy(io.Discard, connection)
			if took := time.Since(begun); took != test.want {
				t.Errorf("%s: it ended after %v, want %v", test.reason, took, test.want)
			}
		})
	}
}

func TestHeadersAreBounded(t *testing.T) {
	servePipes(t, fine, func(t *testing.T, p *pipes, _ func()) {
		for size, want := range map[int]int{
			maxHeaderBytes / 2: http.StatusOK, 2 * maxHeaderBytes: http.StatusRequestHeaderFieldsTooLarge,
		} {
			connection := p.dial()
			response, err := http.ReadResponse(ask(t, connection, "X: "+strings.Repeat("x", size)+"\r\n"), nil)
			if err != nil || response.StatusCode != want {
				t.Errorf("%d bytes: %v, %v, want %d", size, response, err, want)
			}
			connection.Close()
		}
	})
}

// A review that is being answered when the server stops gets its answer.
func TestStopWaitsForAnswers(t *testing.T) {
	asked := make(chan struct{})
	servePipes(t, func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		select {
		case <-time.After(time.Second): // in synctest's time
			fine(w, r)
		case <-r.Context().Done():
		}
	}, func(t *testing.T, p *pipes, stop func()) {
		connection := p.dial()
		defer connection.Close()
		answer := ask(t, connection, "")
		<-asked
		stop()
		response, err := http.ReadResponse(answer, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(response.Body); err != nil || string(body) != "{}" {
			t.Errorf("got %q, %v", body, err)
		}
	})
}
