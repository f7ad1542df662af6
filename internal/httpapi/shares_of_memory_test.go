package httpapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"dispatcher.ivan.vc/internal/httpapi/budget"
	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// However much memory the calls of one address want, those of others get theirs.
func TestOneAddressCannotTakeAllMemory(t *testing.T) {
	for _, test := range []struct {
		method, path, body string
		size, each         int64
		budget             func(*memory) **budget.Bytes
	}{
		{http.MethodPut, "/execute/t", "p", firstPiecesBudget, firstPiece,
			func(m *memory) **budget.Bytes { return &m.firstPieces }},
		{http.MethodPut, "/execute/t", strings.Repeat("x", firstPiece+1), bodiesBudget, bodyCopies * firstPiece,
			func(m *memory) **budget.Bytes { return &m.bodies }},
		{http.MethodGet, "/executions/default/n", "", readsBudget, readBytes,
			func(m *memory) **budget.Bytes { return &m.reads }},
		{http.MethodGet, "/templates/default/t", "", readsBudget, readBytes,
			func(m *memory) **budget.Bytes { return &m.reads }},
		{http.MethodPut, "/execute/t?dryRun=All", "p", readsBudget, readBytes,
			func(m *memory) **budget.Bytes { return &m.reads }},
		{http.MethodGet, "/executions/default", "", listsBudget, listBytes,
			func(m *memory) **budget.Bytes { return &m.lists }},
		{http.MethodGet, "/templates/default", "", listsBudget, listBytes,
			func(m *memory) **budget.Bytes { return &m.lists }},
	} {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			api := newFakeAPIServer(t)
			api.put("n", runs)
			api.Template = echo()
			bytes := test.budget(api.memory)
			// Patience is for others: whoever is above its share waits for it in vain.
			impatient := budget.NewBytes(test.size, time.Millisecond, DefaultSharedAddresses())
			s := api.server(t, testOptions())
			call := func(address string) *http.Response {
				request := httptest.NewRequest(test.method, test.path, strings.NewReader(test.body))
				request.RemoteAddr = address
				return serve(s, request)
			}
			for {
				if _, err := impatient.Take(t.Context(), "10.0.0.1:1", test.each); err != nil {
					break
				}
			}
			*bytes = impatient
			if got := problemOf(t, call("10.0.0.1:2")); got.Reason != problem.TooManyRequests {
				t.Errorf("the address that has its share got %+v", got)
			}
			for _, other := range []string{"10.0.0.2:1", "127.0.0.1:1"} {
				if got := call(other); got.StatusCode >= http.StatusBadRequest {
					t.Errorf("%s got status %d", other, got.StatusCode)
				}
			}
		})
	}
}
