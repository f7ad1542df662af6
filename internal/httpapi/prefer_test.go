package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/access"
)

func TestPreferredWait(t *testing.T) {
	for _, test := range []struct {
		reason string
		sent   []string
		want   time.Duration
		ok     bool
	}{
		{"no preference", nil, 0, false},
		{"seconds", []string{"wait=10"}, 10 * time.Second, true},
		{"none at all", []string{"wait=0"}, 0, true},
		{"names are the same in any case", []string{"WAIT=10"}, 10 * time.Second, true},
		{"a value may be in quotes", []string{`wait="10"`}, 10 * time.Second, true},
		{"white space may be around", []string{" wait = 10 "}, 10 * time.Second, true},
		{"others stand before it", []string{"respond-async, wait=10"}, 10 * time.Second, true},
		{"or after it", []string{"wait=10,handling=lenient"}, 10 * time.Second, true},
		{"or in a header of their own", []string{"return=minimal", "wait=10"}, 10 * time.Second, true},
		{"parameters are ignored", []string{"wait=10; a=b"}, 10 * time.Second, true},
		{"what is in quotes separates nothing", []string{`a="b, wait=1\", wait=2", wait=10`}, 10 * time.Second, true},
		{"the first counts", []string{"wait=10, wait=20"}, 10 * time.Second, true},
		{"bounded", []string{"wait=61"}, time.Minute, true},
		{"bounded, whatever its length", []string{"wait=99999999999999999999"}, time.Minute, true},
		{"another preference", []string{"respond-async"}, 0, false},
		{"that has it in its name", []string{"await=10"}, 0, false},
		{"no value", []string{"wait"}, 0, false},
		{"an empty one", []string{"wait="}, 0, false},
		{"not a number", []string{"wait=ten"}, 0, false},
		{"not a whole one", []string{"wait=1.5"}, 0, false},
		{"negative", []string{"wait=-1"}, 0, false},
		{"a quote that does not end", []string{`wait="10`}, 0, false},
	} {
		request := httptest.NewRequest(http.MethodPut, "/", nil)
		request.Header["Prefer"] = test.sent
		got, ok := preferredWait(request, time.Minute)
		if got != test.want || ok != test.ok {
			t.Errorf("%s: %q is %s, %t; want %s, %t", test.reason, test.sent, got, ok, test.want, test.ok)
		}
	}
}

// waitingServer is a server whose executions change as the test wants it.
type waitingServer struct {
	*running
	api     *fakeAPIServer
	payload string
}

func startWaitingServer(t *testing.T) *waitingServer {
	api := newFakeAPIServer(t)
	return &waitingServer{running: start(t, api.server(t, testOptions())), api: api, payload: "p"}
}

// call executes with a preference, in the background.
func (s *waitingServer) call(ctx context.Context, t *testing.T, prefer string) <-chan *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(
		ctx,
		http.MethodPut,
		"http://"+s.address+"/execute/t",
		strings.NewReader(s.payload),
	)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Prefer", prefer)
	answers := make(chan *http.Response, 1)
	go func() {
		defer close(answers)
		if response, err := http.DefaultTransport.RoundTrip(request); err == nil {
			answers <- response
		}
	}()
	return answers
}

// subscribed returns the execution that is waited for, as soon as it is.
func (s *waitingServer) subscribed(t *testing.T) *dispatcherv1alpha1.JobExecution {
	t.Helper()
	eventually(t, "the execution is waited for", func() bool { return s.api.watcher.Subscriptions() > 0 })
	return s.api.Stored()[0]
}

func decoded(t *testing.T, response *http.Response) *dispatcherv1alpha1.JobExecution {
	t.Helper()
	defer response.Body.Close()
	execution := &dispatcherv1alpha1.JobExecution{}
	if err := json.NewDecoder(response.Body).Decode(execution); err != nil {
		t.Fatal(err)
	}
	return execution
}

func TestWaitEndsWithTheExecution(t *testing.T) {
	for _, test := range []struct {
		reason  string
		deleted bool
	}{
		{"it finishes", false},
		{"it finishes and is removed at once", true},
	} {
		t.Run(test.reason, func(t *testing.T) {
			s := startWaitingServer(t)
			answers := s.call(t.Context(), t, "wait=20")
			key := "default/" + s.subscribed(t).Name
			final := s.api.Change(key, ends)
			if test.deleted {
				s.api.Remove(key)
			}
			response := <-answers
			got := decoded(t, response)
			if response.StatusCode != http.StatusOK || response.Header.Get("Preference-Applied") != "wait=20" {
				t.Errorf("status = %d, Preference-Applied = %q", response.StatusCode, response.Header.Get("Preference-Applied"))
			}
			if want := "/executions/default/" + final.Name; response.Header.Get("Location") != want {
				t.Errorf("Location = %q, want %q", response.Header.Get("Location"), want)
			}
			if !got.IsFinished() || got.Spec.Payload != "p" || got.Kind != "JobExecution" {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestWaitEndsBeforeTheExecution(t *testing.T) {
	for _, test := range []struct {
		reason, prefer string
		do             func(s *waitingServer)
		wantApplied    string
	}{
		{"the time is up", "wait=0", nil, "wait=0"},
		{"the server stops", "wait=20", func(s *waitingServer) { s.running.stop() }, ""},
		{"it is deleted", "wait=20", func(s *waitingServer) {
			s.api.Remove(s.api.Names()[0])
		}, "wait=20"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			s := startWaitingServer(t)
			answers := s.call(t.Context(), t, test.prefer)
			if test.do != nil {
				s.subscribed(t)
				test.do(s)
			}
			response := <-answers
			got := decoded(t, response)
			if response.StatusCode != http.StatusAccepted || response.Header.Get("Preference-Applied") != test.wantApplied {
				t.Errorf("status = %d, Preference-Applied = %q", response.StatusCode, response.Header.Get("Preference-Applied"))
			}
			if got.IsFinished() || response.Header.Get("Location") != "/executions/default/"+got.Name {
				t.Errorf("Location = %q, got %+v", response.Header.Get("Location"), got)
			}
		})
	}
}

// Whoever hangs up is not waited for, and the execution stays.
func TestWaitEndsWhenTheCallerHangsUp(t *testing.T) {
	s := startWaitingServer(t)
	ctx, hangUp := context.WithCancel(t.Context())
	answers := s.call(ctx, t, "wait=20")
	s.subscribed(t)
	hangUp()
	<-answers
	s.running.stop()
	if err := <-s.stopped; err != nil {
		t.Fatal(err)
	}
	if names := s.api.Names(); len(names) != 1 {
		t.Errorf("stored %v", names)
	}
}

// The time-out for reading a request ends long before a wait does, and must not look like a caller that hangs up.
func TestWaitIsLongerThanTheTimeouts(t *testing.T) {
	for _, payload := range []string{"", "p", strings.Repeat("p", firstPiece), strings.Repeat("p", firstPiece+1)} {
		t.Run(fmt.Sprintf("%d bytes", len(payload)), func(t *testing.T) {
			t.Parallel() // Each of them waits for a second.
			api := newFakeAPIServer(t)
			server := api.server(t, testOptions())
			server.http.ReadTimeout, server.http.WriteTimeout = 200*time.Millisecond, 400*time.Millisecond
			s := &waitingServer{running: start(t, server), api: api, payload: payload}
			begin := time.Now()
			response := <-s.call(t.Context(), t, "wait=1")
			if response == nil {
				t.Fatal("the connection was closed")
			}
			if waited := time.Since(begin); waited < time.Second {
				t.Errorf("waited for %s only", waited)
			}
			if got := decoded(t, response); response.StatusCode != http.StatusAccepted || got.Name == "" {
				t.Errorf("status = %d", response.StatusCode)
			}
		})
	}
}

// Both together: the repeat of a call that has finished is answered at once with its end.
func TestRepeatWaitsToo(t *testing.T) {
	api := newFakeAPIServer(t)
	s := api.server(t, testOptions())
	executeWithKey(s, "t", "k", "p")
	api.Change(api.Names()[0], ends)
	request := httptest.NewRequest(http.MethodPut, "/execute/t", strings.NewReader("p"))
	request.Header.Set(idempotencyKeyHeader, "k")
	request.Header.Set("Prefer", "wait=20")
	response := serve(s, request)
	if got := decoded(t, response); response.StatusCode != http.StatusOK || !got.IsFinished() {
		t.Errorf("status = %d, got %+v", response.StatusCode, got)
	}
}

// Who may execute but not look may not wait for the outcome either, and nothing is created.
func TestWaitTakesTheRightToGet(t *testing.T) {
	api := newFakeAPIServer(t)
	d := testDependencies(api.client(t), testOptions())
	d.access = only(access.Right{Verb: "create", Subresource: access.Executions, Namespace: "default", Template: "t"})
	request := httptest.NewRequest(http.MethodPut, "/execute/t", strings.NewReader("p"))
	request.Header.Set("Prefer", "wait=1")
	response := serve(newServer(d, testOptions(), logr.Discard()), request)
	if got := problemOf(t, response); got.Status != http.StatusUnauthorized {
		t.Errorf("got %+v", got)
	}
	if names := api.Names(); len(names) > 0 {
		t.Errorf("stored %v", names)
	}
}

// Who finds no place among those who wait has not executed anything.
func TestWaitersAreBounded(t *testing.T) {
	api := newFakeAPIServer(t)
	options := testOptions()
	options.MaxWaitingRequests = 1
	s := api.server(t, options)
	if _, err := s.waiters.places.Take("10.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodPut, "/execute/t", strings.NewReader("p"))
	request.Header.Set("Prefer", "wait=1")
	response := serve(s, request)
	if got := problemOf(t, response); got.Status != http.StatusTooManyRequests ||
		response.Header.Get("Retry-After") == "" {
		t.Errorf("got %+v, Retry-After %q", got, response.Header.Get("Retry-After"))
	}
	if names := api.Names(); len(names) > 0 {
		t.Errorf("stored %v", names)
	}
}

// only allows anonymous callers one right.
func only(allowed access.Right) *access.Access {
	return accessOf(
		authorizer.AuthorizerFunc(func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
			if rightOf(a) == allowed {
				return authorizer.DecisionAllow, "", nil
			}
			return authorizer.DecisionNoOpinion, "", nil
		}),
	)
}

// rightOf is the right that is asked for.
func rightOf(a authorizer.Attributes) access.Right {
	return access.Right{
		Verb:        a.GetVerb(),
		Subresource: a.GetSubresource(),
		Namespace:   a.GetNamespace(),
		Template:    a.GetName(),
	}
}
