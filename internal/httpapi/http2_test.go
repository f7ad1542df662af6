package httpapi

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
)

// In HTTP/2, a time-out for writing that passes resets the stream, also while nothing is written. Streams that are
// silent for longer have to live.
func TestHTTP2StreamsOutliveSilence(t *testing.T) {
	options, trusted := certificateFiles(t)
	options.HTTP2 = true
	secure, err := newTLS(options, logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	api, pods := newFakeAPIServerWithPods(t, newPod("a", time.Minute))
	spoken := make(chan struct{})
	speak := sync.OnceFunc(func() { close(spoken) })
	defer speak()
	pods.onLog = func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = io.WriteString(w, "before\n")
		w.(http.Flusher).Flush()
		<-spoken
		_, _ = io.WriteString(w, "after\n")
		return true
	}
	d := testDependencies(api.client(t), options)
	d.watcher = api.watcher
	d.times = streamTimes{keepAlive: 600 * time.Millisecond, writeTimeout: 200 * time.Millisecond}
	s := newServer(d, options, logr.Discard())
	s.http.TLSConfig = secure.config()
	s.http.WriteTimeout = 200 * time.Millisecond
	r := start(t, s)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	open := func(path string) *bufio.Reader {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+r.address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { response.Body.Close() })
		if response.ProtoMajor != 2 || response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, status %d", path, response.Proto, response.StatusCode)
		}
		return bufio.NewReader(response.Body)
	}
	log, events := open("/executions/default/n/logs?follow=true"), open("/executions/default/n/events")
	if line, err := log.ReadString('\n'); line != "before\n" || err != nil {
		t.Fatalf("the log has %q, error %v", line, err)
	}
	// Two signs of life of the one are a longer silence of the other than its time-out.
	for alive := 0; alive < 2; {
		line, err := events.ReadString('\n')
		if err != nil {
			t.Fatalf("the events ended in a silence: %v", err)
		}
		if line == ": keep-alive\n" {
			alive++
		}
	}
	speak()
	if line, err := log.ReadString('\n'); line != "after\n" || err != nil {
		t.Errorf("the log ended in a silence: %q, error %v", line, err)
	}
}
