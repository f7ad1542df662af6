package httpapi

import (
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dispatcher.ivan.vc/internal/httpapi/budget"
)

// A body that waited for memory in vain does not keep its connection: what is still missing of it has to arrive in time.
func TestBodiesThatWaitedInVainEnd(t *testing.T) {
	api := newFakeAPIServer(t)
	api.memory.bodies = budget.NewBytes(bodiesBudget, time.Millisecond, nil)
	if _, err := api.memory.bodies.Take(t.Context(), "", bodiesBudget); err != nil {
		t.Fatal(err)
	}
	s := api.server(t, testOptions())
	s.http.ReadTimeout = 300 * time.Millisecond
	connection, err := net.Dial("tcp", start(t, s).address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Fprintf(connection, "PUT /execute/t HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 200000\r\n\r\n%s",
		strings.Repeat("x", firstPiece+1))
	answer, err := io.ReadAll(connection)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 429 ") {
		t.Errorf("error %v, answered %q", err, answer)
	}
}

// deadlines notes the first deadline for reading that it is given.
type deadlines struct {
	*httptest.ResponseRecorder
	first time.Time
}

func (d *deadlines) SetReadDeadline(at time.Time) error {
	if d.first.IsZero() {
		d.first = at
	}
	return nil
}

// A body has its time from when it is read, however long the server had it wait before.
func TestClockOfABodyStartsWhenItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := newMemory(nil)
		all, err := memory.firstPieces.Take(t.Context(), "", firstPiecesBudget)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(memoryTimeout-time.Second, all.Release)
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequest("PUT", "/execute/t", strings.NewReader("p"))
		_, claim, err := readPayload(w, r, DefaultMaxPayloadBytes, memory)
		if err != nil {
			t.Fatal(err)
		}
		claim.Release()
		if got := time.Until(w.first); got != readTimeout {
			t.Errorf("the body has %v, want %v", got, readTimeout)
		}
	})
}
