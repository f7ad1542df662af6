package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/apitest"
)

// The tests of this file measure the live heap of a server, its callers and its API server, which are one process here.
// So that it is the server's above all, the API server makes up what it answers, and the callers share one payload.

// mebibytes of live objects, in all of the process.
func mebibytes() int {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc >> 20)
}

// largePayload is one of the default limit.
var largePayload = strings.Repeat("x", DefaultMaxPayloadBytes)

// inventor is a server whose API server has an execution of every name, with a large payload.
type inventor struct {
	*running
	api *fakeAPIServer

	// reads has a value for each read of a single execution.
	reads chan struct{}
}

func startInventor(t *testing.T) *inventor {
	i := newInventor(t)
	i.start(t)
	return i
}

func newInventor(t *testing.T) *inventor {
	i := &inventor{api: newFakeAPIServer(t), reads: make(chan struct{}, 10000)}
	i.api.OnCreate = func(w http.ResponseWriter, _ *http.Request, execution *dispatcherv1alpha1.JobExecution) bool {
		apitest.AnswerJSON(w, http.StatusCreated, invented(execution.Name))
		return true
	}
	i.answer(invented)
	return i
}

func (i *inventor) start(t *testing.T) { i.running = start(t, i.api.server(t, testOptions())) }

// answer sets what is read.
func (i *inventor) answer(invent func(name string) *dispatcherv1alpha1.JobExecution) {
	list := dispatcherv1alpha1.JobExecutionList{}
	for n := range 14 { // 3.7 MB
		list.Items = append(list.Items, *invent(fmt.Sprint("n", n)))
	}
	page, err := json.Marshal(list)
	if err != nil {
		panic(err)
	}
	i.api.OnGet = func(w http.ResponseWriter, r *http.Request) bool {
		if path.Base(r.URL.Path) != "jobexecutions" {
			i.reads <- struct{}{}
			apitest.AnswerJSON(w, http.StatusOK, invent(path.Base(r.URL.Path)))
			return true
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(page)
		return true
	}
}

func invented(name string) *dispatcherv1alpha1.JobExecution {
	execution := &dispatcherv1alpha1.JobExecution{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name), ResourceVersion: "1"},
		Spec:       dispatcherv1alpha1.JobExecutionSpec{JobTemplateName: "t", Payload: largePayload},
	}
	runs(execution)
	return execution
}

// callers make calls at a time, each over a connection of its own, and drop what is answered.
type callers struct {
	t         *testing.T
	transport *http.Transport
	wait      sync.WaitGroup
	answers   chan int // status codes
}

func newCallers(t *testing.T) *callers {
	c := &callers{t: t, transport: &http.Transport{}, answers: make(chan int, 10000)}
	t.Cleanup(c.transport.CloseIdleConnections)
	return c
}

func (c *callers) call(ctx context.Context, method, url, body string, header http.Header) {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if header != nil {
		request.Header = header
	}
	c.wait.Go(func() {
		response, err := c.transport.RoundTrip(request)
		if err != nil {
			c.answers <- 0
			return
		}
		defer response.Body.Close()
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			c.answers <- -1
			return
		}
		c.answers <- response.StatusCode
	})
}

// begin makes calls that wait, ten at a time: how many a slow machine can begin at once is not what is tested.
func (c *callers) begin(i *inventor, count int, method, path, body string, header http.Header) {
	c.t.Helper()
	for n := range count {
		c.call(context.Background(), method, "http://"+i.address+strings.Replace(path, "*", fmt.Sprint(n), 1), body, header)
		for n%10 == 9 && i.api.watcher.Waiting() <= n {
			select {
			case status := <-c.answers:
				c.t.Fatalf("a call was answered with %d, and does not wait", status)
			case <-i.reads:
			case <-time.After(time.Millisecond):
			}
		}
	}
	for len(i.reads) > 0 {
		<-i.reads
	}
}

// all waits for the answers and wants one status code of all of them.
func (c *callers) all(want int) {
	c.t.Helper()
	c.wait.Wait()
	for range len(c.answers) {
		if got := <-c.answers; got != want {
			c.t.Errorf("status %d, want %d", got, want)
		}
	}
}

// 400 callers wait, each for an execution of its own with a payload of 256 KiB: 100 MiB of payloads.
func TestHostileWaitsHoldNoPayload(t *testing.T) {
	const waiting, limit = 200, 25
	for _, test := range []struct {
		reason, method, path, body string
		header                     http.Header
	}{
		{"Prefer: wait", http.MethodPut, "/execute/t", largePayload, http.Header{"Prefer": {"wait=300"}}},
		{"long polls", http.MethodGet, "/executions/default/n*?wait=300", "", nil},
		{"events", http.MethodGet, "/executions/default/n*/events", "", nil},
	} {
		t.Run(test.reason, func(t *testing.T) {
			i := startInventor(t)
			calls, before := newCallers(t), mebibytes()
			calls.begin(i, waiting, test.method, test.path, test.body, test.header)
			got := limit
			for tries := 0; got >= limit && tries < 50; tries++ { // The last have not come to their wait yet.
				got = mebibytes() - before
			}
			if got >= limit {
				t.Errorf("%d waiting calls hold %d MiB", waiting, got)
			}
			i.stop()
			calls.wait.Wait()
			if err := <-i.stopped; err != nil {
				t.Error(err)
			}
		})
	}
}

// However many wait for one execution, it is read once when it has changed, and told from one copy.
func TestHostileChangeIsReadOnce(t *testing.T) {
	for _, path := range []string{"/executions/default/n?wait=300", "/executions/default/n/events"} {
		t.Run(path, func(t *testing.T) {
			i, calls := startInventor(t), newCallers(t)
			calls.begin(i, 200, http.MethodGet, path, "", nil)
			i.answer(finished)
			i.api.OnChange(finished("n"), false)
			calls.all(http.StatusOK)
			if got := len(i.reads); got != 1 {
				t.Errorf("%d reads for 200 callers that wait, want 1", got)
			}
		})
	}
}

// 64 lists side by side, each a page of 3.7 MB: first to callers that do not read, then eight to callers that do.
func TestHostileListsShareTheirMemory(t *testing.T) {
	const lists, limit = 64, 150
	for _, accept := range []string{"application/json", "application/yaml"} {
		t.Run(accept, func(t *testing.T) {
			i := startInventor(t)
			before, largest := mebibytes(), 0
			var connections []net.Conn
			for range lists {
				connection, err := net.Dial("tcp", i.address)
				if err != nil {
					t.Fatal(err)
				}
				defer connection.Close()
				_ = connection.(*net.TCPConn).SetReadBuffer(4 << 10)
				_, _ = fmt.Fprintf(connection, "GET /executions/default HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: %s\r\n\r\n", accept)
				connections = append(connections, connection)
			}
			for range 50 {
				largest = max(largest, mebibytes()-before)
			}
			for _, connection := range connections {
				connection.Close()
			}
			calls := newCallers(t)
			for range 8 {
				url, header := "http://"+i.address+"/executions/default", http.Header{"Accept": {accept}}
				calls.call(t.Context(), http.MethodGet, url, "", header)
			}
			for range 20 {
				largest = max(largest, mebibytes()-before)
			}
			if largest >= limit {
				t.Errorf("%d lists hold %d MiB", lists, largest)
			}
			calls.all(http.StatusOK)
		})
	}
}
