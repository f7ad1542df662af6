package httpapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// executeWithKey executes the template with a key.
func executeWithKey(s *server, template, key, payload string) *http.Response {
	request := httptest.NewRequest(http.MethodPut, "/execute/"+template, strings.NewReader(payload))
	request.Header.Set(idempotencyKeyHeader, key)
	return serve(s, request)
}

func TestIdempotencyKeys(t *testing.T) {
	for _, test := range []struct {
		reason string
		sent   []string
		want   string // "" for one that is refused
	}{
		{"a string of RFC 9651, as the draft wants it", []string{`"8e03978e-40d5-43e8-bc93-6894a57f9324"`},
			"8e03978e-40d5-43e8-bc93-6894a57f9324"},
		{"the same without quotes", []string{"8e03978e-40d5-43e8-bc93-6894a57f9324"}, "8e03978e-40d5-43e8-bc93-6894a57f9324"},
		{"other visible characters", []string{"order:17/a=b+c~"}, "order:17/a=b+c~"},
		{"white space around is no part of a header's value", []string{" a\t"}, "a"},
		{"in quotes anything can be, with escapes", []string{`"a,;\"\\"`}, `a,;"\`},
		{"one character", []string{"a"}, "a"},
		{"as long as it may be", []string{strings.Repeat("a", 255)}, strings.Repeat("a", 255)},
		{"quotes do not count", []string{`"` + strings.Repeat("a", 255) + `"`}, strings.Repeat("a", 255)},
		{"too long", []string{strings.Repeat("a", 256)}, ""},
		{"empty", []string{""}, ""},
		{"empty in quotes", []string{`""`}, ""},
		{"two of them", []string{"a", "a"}, ""},
		{"two in one", []string{"a, b"}, ""},
		{"without its last quote", []string{`"a`}, ""},
		{"with something after it", []string{`"a"b`}, ""},
		{"with a parameter", []string{`"a";b=c`}, ""},
		{"an escape of nothing", []string{`"a\"`}, ""},
		{"an escape that there is not", []string{`"\n"`}, ""},
		{"a space in quotes", []string{`"a b"`}, "a b"},
		{"a space without them", []string{"a b"}, ""},
		{"a control character", []string{"a\x01"}, ""},
		{"beyond ASCII", []string{"é"}, ""},
	} {
		got, wrong := parseIdempotencyKey(test.sent)
		if got != test.want || (wrong == "") != (test.want != "") {
			t.Errorf("%s: %q becomes %q, %q; want %q", test.reason, test.sent, got, wrong, test.want)
		}
	}
}

func TestIdempotencyKeyThatCannotBeUsed(t *testing.T) {
	api := newFakeAPIServer(t)
	response := executeWithKey(api.server(t, testOptions()), "t", `"a`, "p")
	got := problemOf(t, response)
	if got.Status != http.StatusBadRequest || got.Reason != problem.InvalidRequest || len(got.Errors) != 1 ||
		got.Errors[0].Field != "Idempotency-Key" {
		t.Errorf("got %+v", got)
	}
	if calls := api.Methods(); len(calls) > 0 {
		t.Errorf("the API server was asked: %v", calls)
	}
}

func TestIdempotentRepeats(t *testing.T) {
	for _, test := range []struct {
		reason                 string
		template, key, payload string
		wantStatus             int
		wantReason             problem.Reason
	}{
		{"the same again", "t", "k", "p", http.StatusOK, ""},
		{"the same key in quotes", "t", `"k"`, "p", http.StatusOK, ""},
		{"another payload", "t", "k", "q", http.StatusUnprocessableEntity, problem.IdempotencyKeyReused},
		{"no payload is another payload", "t", "k", "", http.StatusUnprocessableEntity, problem.IdempotencyKeyReused},
		{"another key", "t", "l", "p", http.StatusCreated, ""},
		{"the key of another template", "u", "k", "p", http.StatusCreated, ""},
	} {
		t.Run(test.reason, func(t *testing.T) {
			api := newFakeAPIServer(t)
			first := executeWithKey(api.server(t, testOptions()), "t", "k", "p")
			if first.StatusCode != http.StatusCreated {
				t.Fatalf("status = %d", first.StatusCode)
			}
			// Another server, since replicas know nothing of each other.
			again := executeWithKey(api.server(t, testOptions()), test.template, test.key, test.payload)
			if again.StatusCode != test.wantStatus {
				t.Fatalf("status = %d, want %d", again.StatusCode, test.wantStatus)
			}
			switch test.wantStatus {
			case http.StatusOK:
				if again.Header.Get("Location") != first.Header.Get("Location") {
					t.Errorf("Location = %q, want %q", again.Header.Get("Location"), first.Header.Get("Location"))
				}
			case http.StatusUnprocessableEntity:
				got := problemOf(t, again)
				if got.Reason != test.wantReason || len(got.Errors) != 1 || got.Errors[0].Field != "Idempotency-Key" {
					t.Errorf("got %+v", got)
				}
			}
			if got, want := len(api.Names()), 1; test.wantStatus != http.StatusCreated && got != want {
				t.Errorf("%d executions, want %d", got, want)
			}
		})
	}
}

func TestConcurrentRepeatsMakeOneExecution(t *testing.T) {
	api := newFakeAPIServer(t)
	replicas := []*server{api.server(t, testOptions()), api.server(t, testOptions())}
	const callers = 16
	statuses := make([]int, callers)
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() { statuses[i] = executeWithKey(replicas[i%2], "t", "k", "p").StatusCode })
	}
	group.Wait()
	count := map[int]int{}
	for _, status := range statuses {
		count[status]++
	}
	if diff := cmp.Diff(map[int]int{http.StatusCreated: 1, http.StatusOK: callers - 1}, count); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
	if names := api.Names(); len(names) != 1 {
		t.Errorf("stored %v", names)
	}
}
