package httpapi

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// dialFrom opens a connection from a loopback address, which takes little before its caller reads.
func dialFrom(t *testing.T, source, to string) net.Conn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	connection, err := dialer.DialContext(t.Context(), "tcp", to)
	if err != nil {
		t.Skipf("no connections from %s: %v", source, err)
	}
	t.Cleanup(func() { connection.Close() })
	_ = connection.(*net.TCPConn).SetReadBuffer(4 << 10)
	return connection
}

// callOver sends a request and returns the answer, whose body was not read.
func callOver(t *testing.T, connection net.Conn, path, header string) *http.Response {
	t.Helper()
	_, _ = fmt.Fprintf(connection, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n", path, header)
	response, err := http.ReadResponse(bufio.NewReaderSize(connection, 512), nil)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// Streams of one address whose executions change, and whose caller does not read, take no more than its share.
func TestHostileStreamsTakeTheirShareOnly(t *testing.T) {
	const streams, calls = 64, 10
	for _, perExecution := range []int{1, 2} {
		t.Run(fmt.Sprint(perExecution, " streams of each execution"), func(t *testing.T) {
			i := newInventor(t)
			i.api.times.writeTimeout = time.Hour // No stream is cut.
			i.start(t)
			for n := range streams {
				path := fmt.Sprintf("/executions/default/n%d/events", n/perExecution)
				response := callOver(t, dialFrom(t, "127.0.0.2", i.address), path, "Last-Event-ID: 1\r\n")
				if response.StatusCode != http.StatusOK {
					t.Fatalf("stream %d got status %d", n, response.StatusCode)
				}
			}
			i.answer(func(name string) *dispatcherv1alpha1.JobExecution {
				changed := finished(name)
				changed.Spec.Payload = strings.Repeat("x", largestMaxPayloadBytes)
				return changed
			})
			for n := range streams / perExecution {
				i.api.OnChange(finished(fmt.Sprint("n", n)), false)
			}
			for n := range calls {
				connection := dialFrom(t, "127.0.0.3", i.address)
				response := callOver(t, connection, "/executions/default/other", "")
				if response.StatusCode != http.StatusOK {
					t.Fatalf("call %d of another address got status %d", n, response.StatusCode)
				}
				connection.Close() // One that is not read takes of the share of this address.
			}
		})
	}
}

// finished is the execution of a name when it has ended.
func finished(name string) *dispatcherv1alpha1.JobExecution {
	execution := invented(name)
	ends(execution)
	execution.ResourceVersion = "2"
	return execution
}
