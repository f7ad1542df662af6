package httpapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/access"
	"dispatcher.ivan.vc/internal/httpapi/store"
)

// running is a server that was started.
type running struct {
	*server
	address string
	stop    context.CancelFunc
	stopped chan error
}

// start starts a server on a port of its own. The port takes connections at once, so no test has to wait for it.
func start(t *testing.T, s *server) *running {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.listen = func(context.Context, string, string) (net.Listener, error) { return listener, nil }
	ctx, stop := context.WithCancel(context.Background())
	r := &running{server: s, address: listener.Addr().String(), stop: stop, stopped: make(chan error, 1)}
	go func() { r.stopped <- s.Start(ctx) }()
	t.Cleanup(stop)
	return r
}

func (r *running) put(ctx context.Context, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://"+r.address+"/execute/t", body)
	if err != nil {
		return nil, err
	}
	return http.DefaultTransport.RoundTrip(request)
}

// held makes creates wait: entered tells of each, and release lets them go on.
func held(api *fakeAPIServer) (entered chan struct{}, release chan struct{}) {
	entered, release = make(chan struct{}, 10), make(chan struct{})
	api.OnCreate = func(http.ResponseWriter, *http.Request, *dispatcherv1alpha1.JobExecution) bool {
		entered <- struct{}{}
		<-release
		return false
	}
	return entered, release
}

func TestReadiness(t *testing.T) {
	s := newFakeAPIServer(t).server(t, testOptions())
	if s.ready(nil) == nil {
		t.Error("ready before it was started")
	}
	r := start(t, s)
	response, err := r.put(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if err := s.ready(nil); err != nil {
		t.Errorf("serving, but not ready: %v", err)
	}
	r.stop()
	if err := <-r.stopped; err != nil {
		t.Errorf("stopped with %v", err)
	}
	if s.ready(nil) == nil {
		t.Error("ready after it was stopped")
	}
}

func TestStartFailsWithoutAPort(t *testing.T) {
	s := newFakeAPIServer(t).server(t, testOptions())
	s.listen = func(context.Context, string, string) (net.Listener, error) { return nil, errors.New("in use") }
	if err := s.Start(t.Context()); err == nil || s.ready(nil) == nil {
		t.Errorf("err = %v, ready = %v", err, s.ready(nil))
	}
}

func TestStopWaitsForRequests(t *testing.T) {
	api := newFakeAPIServer(t)
	entered, release := held(api)
	r := start(t, api.server(t, testOptions()))
	status := make(chan int, 1)
	go func() {
		response, err := r.put(context.Background(), strings.NewReader("p"))
		if err != nil {
			status <- 0
			return
		}
		response.Body.Close()
		status <- response.StatusCode
	}()
	<-entered
	r.stop()
	eventually(t, "new connections are refused", func() bool { return !r.takesConnections() })
	if r.ready(nil) == nil {
		t.Error("ready while it stops")
	}
	close(release)
	if got := <-status; got != http.StatusCreated {
		t.Errorf("the request under way got status %d, want 201", got)
	}
	if err := <-r.stopped; err != nil {
		t.Errorf("stopped with %v", err)
	}
}

// eventually waits until ok, with a limit that nothing healthy comes near.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

func (r *running) takesConnections() bool {
	connection, err := net.DialTimeout("tcp", r.address, time.Second)
	if err != nil {
		return false
	}
	connection.Close()
	return true
}

func TestStopIsBounded(t *testing.T) {
	api := newFakeAPIServer(t)
	entered, release := held(api)
	s := api.server(t, testOptions())
	s.drainTimeout = 10 * time.Millisecond
	r := start(t, s)
	failed := make(chan error, 1)
	go func() {
		_, err := r.put(context.Background(), strings.NewReader("p"))
		failed <- err
	}()
	<-entered
	r.stop()
	if err := <-r.stopped; err != nil {
		t.Errorf("stopped with %v", err)
	}
	if err := <-failed; err == nil {
		t.Error("a request that outlived the server was answered")
	}
	close(release)
}

// What may have been stored is looked for once more before the process ends.
func TestStopDeletesUnconfirmedCreates(t *testing.T) {
	api := newFakeAPIServer(t)
	api.OnCreate = api.Lose
	r := start(t, api.server(t, testOptions()))
	response, err := r.put(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	api.StoreLate(nil)
	r.stop()
	if err := <-r.stopped; err != nil {
		t.Errorf("stopped with %v", err)
	}
	if names := api.Names(); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
}

// A caller that hangs up after it has sent everything does not leave its request half done.
func TestCallerHangsUp(t *testing.T) {
	api := newFakeAPIServer(t)
	entered, release := held(api)
	s := api.server(t, testOptions())
	gone, done := make(chan (<-chan struct{}), 1), make(chan struct{})
	handler := s.http.Handler
	s.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		gone <- r.Context().Done()
		handler.ServeHTTP(w, r)
	})
	r := start(t, s)
	ctx, hangUp := context.WithCancel(t.Context())
	go func() { _, _ = r.put(ctx, strings.NewReader("p")) }()
	<-entered
	hangUp()
	<-<-gone
	close(release)
	<-done
	if len(api.Names()) != 1 {
		t.Errorf("stored %v: want the execution", api.Names())
	}
}

// exchange sends raw bytes and returns all that comes back until the server closes.
func (r *running) exchange(t *testing.T, raw string) string {
	t.Helper()
	connection, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if _, err := io.WriteString(connection, raw); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(connection)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

func TestConnections(t *testing.T) {
	const head = "PUT /execute/t HTTP/1.1\r\nHost: localhost\r\n"
	for _, test := range []struct {
		reason, raw string
		wantLines   []string // the status line of each answer
		hangs       bool     // the server has to end it
	}{
		{"a client that waits for 100 Continue need not send what is too large",
			head + "Expect: 100-continue\r\nContent-Length: 1000000\r\n\r\n",
			[]string{"HTTP/1.1 413 Request Entity Too Large"}, false},
		{"nor does a refused path take its body",
			"PUT /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n",
			[]string{"HTTP/1.1 404 Not Found"}, false},
		{"a body that never comes", head + "Content-Length: 10\r\n\r\nabc", []string{"HTTP/1.1 408 Request Timeout"}, true},
		{"a chunk that is none", head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", []string{"HTTP/1.1 400 Bad Request"},
			false},
		{"chunks that end too late",
			head + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("8000\r\n"+strings.Repeat("a", 0x8000)+"\r\n",
				9) + "0\r\n\r\n",
			[]string{"HTTP/1.1 413 Request Entity Too Large"}, false},
		{"headers that never end", head, nil, true},
		{"headers that are too large", head + "X: " + strings.Repeat("a", 2*maxHeaderBytes) + "\r\n\r\n",
			[]string{"HTTP/1.1 431 Request Header Fields Too Large"}, false},
		{"a second request on the connection",
			head + "Content-Length: 1\r\n\r\na" + head + "Connection: close\r\nContent-Length: 1\r\n\r\nb",
			[]string{"HTTP/1.1 201 Created", "HTTP/1.1 201 Created"}, false},
		{"two lengths", head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", []string{"HTTP/1.1 400 Bad Request"},
			false},
	} {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel()
			s := newFakeAPIServer(t).server(t, testOptions())
			if test.hangs {
				s.http.ReadHeaderTimeout = 300 * time.Millisecond
				s.http.ReadTimeout = 300 * time.Millisecond
			}
			answer := start(t, s).exchange(t, test.raw)
			var lines []string
			for scanner := bufio.NewScanner(strings.NewReader(answer)); scanner.Scan(); {
				if strings.HasPrefix(scanner.Text(), "HTTP/") {
					lines = append(lines, scanner.Text())
				}
			}
			if diff := cmp.Diff(test.wantLines, lines); diff != "" {
				t.Errorf("status lines (-want +got):\n%s\n%s", diff, answer)
			}
		})
	}
}

// The time-outs have to leave room for one another.
func TestTimeoutsFit(t *testing.T) {
	s := newFakeAPIServer(t).server(t, testOptions())
	for _, test := range []struct {
		reason          string
		longer, shorter time.Duration
	}{
		{"a request finishes while the server stops", drainTimeout,
			access.Timeout + store.CreateTimeout + store.LookupTimeout},
		{"a slow body leaves time for its answer", s.http.WriteTimeout,
			s.http.ReadTimeout + access.Timeout + store.CreateTimeout + store.LookupTimeout},
	} {
		if test.longer <= test.shorter {
			t.Errorf("%s only if %s > %s", test.reason, test.longer, test.shorter)
		}
	}
	for name, timeout := range map[string]time.Duration{"header": s.http.ReadHeaderTimeout, "idle": s.http.IdleTimeout} {
		if timeout <= 0 {
			t.Error(fmt.Errorf("no %s time-out", name))
		}
	}
	if s.http.MaxHeaderBytes != maxHeaderBytes {
		t.Errorf("MaxHeaderBytes = %d", s.http.MaxHeaderBytes)
	}
}
