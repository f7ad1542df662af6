package httpapi

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"dispatcher.ivan.vc/internal/httpapi/access"
	"dispatcher.ivan.vc/internal/httpapi/budget"
	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// A place in flight is for work: callers whose bodies trickle in take none, however many they are.
func TestBodiesThatTrickleInTakeNoPlace(t *testing.T) {
	options := testOptions()
	options.MaxRequestsInFlight = 1
	r := start(t, newFakeAPIServer(t).server(t, options))
	for range 3 {
		connection, err := net.Dial("tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		_, _ = fmt.Fprint(connection,
			"PUT /execute/t HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")
		// The server asks for the body when it begins to wait for it.
		if line, err := bufio.NewReader(connection).ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
			t.Fatalf("got %q, error %v", line, err)
		}
	}
	response, err := r.put(t.Context(), strings.NewReader("p"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		t.Errorf("status = %d while others send slowly", response.StatusCode)
	}
}

// callsWithoutBody are all that take none.
var callsWithoutBody = []string{
	"GET /executions/default", "GET /executions/default/n", "GET /executions/default/n?wait=1",
	"DELETE /executions/default/n",
	"POST /executions/default/n/cancel", "GET /executions/default/n/logs", "GET /executions/default/n/events",
	"GET /templates/default", "GET /templates/default/t", "DELETE /executions/default/no-such",
}

// What takes no body refuses one that is announced, and does not wait for it.
func TestCallsWithoutBodyRefuseOneUnread(t *testing.T) {
	api := newFakeAPIServer(t)
	api.put("n", runs)
	r := start(t, api.server(t, testOptions()))
	for _, call := range callsWithoutBody {
		for _, header := range []string{"Content-Length: 1000000", "Transfer-Encoding: chunked"} {
			connection, err := net.Dial("tcp", r.address)
			if err != nil {
				t.Fatal(err)
			}
			defer connection.Close()
			_, _ = fmt.Fprintf(connection, "%s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n\r\n", call, header)
			response, err := http.ReadResponse(bufio.NewReader(connection), nil)
			if err != nil {
				t.Errorf("%s with %s: %v", call, header, err)
				continue
			}
			if got := problemOf(t, response); got.Reason != problem.InvalidRequest || !response.Close {
				t.Errorf("%s with %s: got %+v, closes: %t", call, header, got, response.Close)
			}
		}
	}
	if stored := api.Get(stored); stored == nil || stored.Spec.Canceled {
		t.Errorf("stored is %+v", stored)
	}
}

// Who may not make a call is told so, and not what is wrong with it.
func TestBodiesAreRefusedAfterAuthorization(t *testing.T) {
	api := newFakeAPIServer(t)
	api.put("n", runs)
	d := testDependencies(api.client(t), testOptions())
	d.access = only(access.Right{})
	s := newServer(d, testOptions(), logr.Discard())
	for _, call := range callsWithoutBody {
		method, path, _ := strings.Cut(call, " ")
		request := httptest.NewRequest(method, path, strings.NewReader("body"))
		if got := problemOf(t, serve(s, request)); got.Reason != problem.Unauthorized {
			t.Errorf("%s: got %+v", call, got)
		}
	}
}

// One address gets a quarter of the places, and cannot take those of others.
func TestOneAddressCannotTakeAllPlaces(t *testing.T) {
	options := testOptions()
	options.MaxRequestsInFlight, options.MaxWaitingRequests = 8, 8
	for _, test := range []struct {
		reason, prefer string
		take           func(s *server) func(address string) error
	}{
		{"of those in flight", "", func(s *server) func(string) error {
			return func(address string) error { _, err := s.inFlight.Take(address); return err }
		}},
		{"of those that wait", "wait=0", func(s *server) func(string) error {
			return func(address string) error { _, err := s.waiters.places.Take(address); return err }
		}},
	} {
		s := newFakeAPIServer(t).server(t, options)
		for range 2 {
			if err := test.take(s)("10.0.0.1:1"); err != nil {
				t.Fatal(err)
			}
		}
		call := func(address string) *http.Response {
			request := httptest.NewRequest(http.MethodPut, "/execute/t", strings.NewReader("p"))
			request.RemoteAddr = address
			if test.prefer != "" {
				request.Header.Set("Prefer", test.prefer)
			}
			return serve(s, request)
		}
		refused := call("10.0.0.1:2")
		if got := problemOf(t, refused); got.Reason != problem.TooManyRequests || refused.Header.Get("Retry-After") == "" {
			t.Errorf("%s: got %+v", test.reason, got)
		}
		for _, other := range []string{"10.0.0.2:1", "127.0.0.1:1"} {
			if got := call(other); got.StatusCode >= http.StatusBadRequest {
				t.Errorf("%s: %s got status %d", test.reason, other, got.StatusCode)
			}
		}
	}
}

// Callers of a shared address may have all places to wait, until another address needs one.
func TestSharedAddressesMakeRoom(t *testing.T) {
	options := testOptions()
	options.MaxWaitingRequests = 4
	api := newFakeAPIServer(t)
	api.put("n", runs)
	s := api.server(t, options)
	answers := make(chan *http.Response, 5)
	wait := func(address, path string) {
		request := httptest.NewRequest(http.MethodGet, path, nil)
		request.RemoteAddr = address
		go func() { answers <- serve(s, request) }()
	}
	for n := range 4 {
		wait("127.0.0.1:1", "/executions/default/n?wait=300")
		eventually(t, "it waits", func() bool { return s.waiters.places.Taken() == n+1 })
	}
	wait("10.0.0.1:1", "/executions/default/n?wait=300")
	if response := <-answers; response.StatusCode != http.StatusOK || decoded(t, response).IsFinished() {
		t.Errorf("who made room got status %d", response.StatusCode)
	}
	wait("127.0.0.1:1", "/executions/default/n?wait=300")
	if response := <-answers; response.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a shared address that has more than a share already got status %d", response.StatusCode)
	}
	api.Change(stored, ends)
	for range 4 {
		if response := <-answers; response.StatusCode != http.StatusOK || !decoded(t, response).IsFinished() {
			t.Errorf("status = %d", response.StatusCode)
		}
	}
	if s.waiters.places.Taken() != 0 || s.waiters.shared.Len() != 0 {
		t.Error("places are lost")
	}
}

// A body that is longer than its first piece waits until there is memory for all of it, and gives it back.
func TestLongBodiesWaitForMemory(t *testing.T) {
	api := newFakeAPIServer(t)
	api.memory.bodies = budget.NewBytes(bodiesBudget, time.Millisecond, nil)
	s := api.server(t, testOptions())
	all, err := api.memory.bodies.Take(t.Context(), "", bodiesBudget)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		reason, payload string
		want            int
	}{
		{"a short one does not wait", strings.Repeat("x", firstPiece-1), http.StatusCreated},
		{"a long one does", strings.Repeat("x", firstPiece+1), http.StatusTooManyRequests},
	} {
		// Of a length that is not known before.
		body := io.NopCloser(strings.NewReader(test.payload))
		response := serve(s, httptest.NewRequest(http.MethodPut, "/execute/t", body))
		if response.StatusCode != test.want {
			t.Errorf("%s: status = %d, want %d", test.reason, response.StatusCode, test.want)
		}
	}
	all.Release()
	for range 3 {
		response := serve(s, httptest.NewRequest(http.MethodPut, "/execute/t", strings.NewReader(largePayload)))
		if response.StatusCode != http.StatusCreated {
			t.Errorf("status = %d", response.StatusCode)
		}
	}
	for _, stored := range api.Stored() {
		if length := len(stored.Spec.Payload); length != firstPiece-1 && stored.Spec.Payload != largePayload {
			t.Errorf("a payload of %d bytes is stored", length)
		}
	}
	if _, err := api.memory.bodies.Take(t.Context(), "", bodiesBudget); err != nil {
		t.Error("memory is lost")
	}
}
