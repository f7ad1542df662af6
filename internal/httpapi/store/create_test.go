package store

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/apitest"
	"dispatcher.ivan.vc/internal/httpapi/problem"
	"dispatcher.ivan.vc/internal/objectcache"
)

// hangUp breaks the connection without an answer.
func hangUp(http.ResponseWriter) { panic(http.ErrAbortHandler) }

// newStore returns a client of a fake API server.
func newStore(t testing.TB, fake *apitest.Server) *Store {
	t.Helper()
	s, err := New(fake.Config(), apitest.HTTPClient(t), apitest.Scheme(t), fake.Cache(), objectcache.New(),
		testConcurrentCreates, logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// aRequest executes the template t.
var aRequest = Request{Namespace: "default", Template: "t", Payload: "p", ID: "id", ReceivedAt: time.Unix(1, 0)}

// problemOf is the problem that an error is.
func problemOf(t testing.TB, err error) *problem.Problem {
	t.Helper()
	p, ok := errors.AsType[*problem.Problem](err)
	if !ok {
		t.Fatalf("%v is not a problem", err)
	}
	return p
}

// What the API server stored is a success, whatever became of its answer.
func TestStoredButNotAnswered(t *testing.T) {
	for reason, answer := range map[string]func(w http.ResponseWriter){
		"the connection broke": hangUp,
		"half an answer": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "100")
			_,
				_ = w.Write([]byte("{"))
		},
		"a time-out": func(w http.ResponseWriter) { apitest.AnswerError(w, apierrors.NewTimeoutError("x", 0)) },
		"try again": func(w http.ResponseWriter) {
			apitest.AnswerError(w, apierrors.NewServerTimeout(apitest.ExecutionsResource, "create", 1))
		},
		"unavailable": func(w http.ResponseWriter) { apitest.AnswerError(w, apierrors.NewServiceUnavailable("x")) },
		"an internal error": func(w http.ResponseWriter) {
			apitest.AnswerError(w, apierrors.NewInternalError(context.DeadlineExceeded))
		},
	} {
		t.Run(reason, func(t *testing.T) {
			api := apitest.New(t)
			api.OnCreate = func(w http.ResponseWriter, _ *http.Request, execution *dispatcherv1alpha1.JobExecution) bool {
				api.Store(execution)
				answer(w)
				return true
			}
			s := newStore(t, api)
			created, err := s.Create(t.Context(), aRequest)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"default/" + created.Name}, api.Names()); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
			if len(s.unconfirmed.entries) > 0 {
				t.Error("an execution that its caller knows of must not be looked for")
			}
		})
	}
}

// Only where the API server may still store the object is it looked for.
func TestWhatIsLookedForAfterAnError(t *testing.T) {
	for _, test := range []struct {
		reason  string
		answer  func(w http.ResponseWriter)
		lookFor bool
	}{
		{"a broken connection", hangUp, true},
		{"a time-out", func(w http.ResponseWriter) { apitest.AnswerError(w, apierrors.NewTimeoutError("x", 0)) }, true},
		{"an internal error", func(w http.ResponseWriter) {
			apitest.AnswerError(w, apierrors.NewInternalError(context.DeadlineExceeded))
		}, true},
		{"admission could not be asked, which comes before storage", func(w http.ResponseWriter) {
			apitest.AnswerError(w, policy(500, "InternalError", `Internal error occurred: failed calling webhook "x"`))
		}, false},
		{"admission had no time left", func(w http.ResponseWriter) {
			apitest.AnswerError(w, byWebhook(apierrors.NewTimeoutError("x", 0)))
		}, false},
		{"too large for etcd", func(w http.ResponseWriter) {
			apitest.AnswerError(w, policy(500, "", "etcdserver: request is too large"))
		}, false},
		{"busy: refused before it began", func(w http.ResponseWriter) {
			apitest.AnswerError(w,
				apierrors.NewTooManyRequests("x", 1))
		}, false},
		{"forbidden", func(w http.ResponseWriter) {
			apitest.AnswerError(w, apierrors.NewForbidden(apitest.ExecutionsResource, "", context.Canceled))
		}, false},
	} {
		t.Run(test.reason, func(t *testing.T) {
			api := apitest.New(t)
			api.OnCreate = func(w http.ResponseWriter, _ *http.Request, _ *dispatcherv1alpha1.JobExecution) bool {
				test.answer(w)
				return true
			}
			s := newStore(t, api)
			if _, err := s.Create(t.Context(), aRequest); err == nil {
				t.Fatal("no error")
			}
			if got := len(s.unconfirmed.entries) == 1; got != test.lookFor {
				t.Errorf("looked for: %t, want %t", got, test.lookFor)
			}
			if got := slices.Contains(api.Methods(), http.MethodGet); got != test.lookFor {
				t.Errorf("looked up at once: %t, want %t", got, test.lookFor)
			}
		})
	}
}

func TestTakenNames(t *testing.T) {
	for _, test := range []struct {
		reason  string
		taken   int // so many creates meet an object of that name
		wantErr bool
	}{
		{"another name is tried", 1, false},
		{"and another", 2, false},
		{"but not for ever", 3, true},
	} {
		t.Run(test.reason, func(t *testing.T) {
			api := apitest.New(t)
			var names []string
			api.OnCreate = func(w http.ResponseWriter, _ *http.Request, execution *dispatcherv1alpha1.JobExecution) bool {
				names = append(names, execution.Name)
				if len(names) > test.taken {
					return false
				}
				foreign := execution.DeepCopy()
				foreign.Annotations[dispatcherv1alpha1.AnnotationReceivedAt] = "2000-01-01T00:00:00Z"
				api.Store(foreign)
				apitest.AnswerError(w, apierrors.NewAlreadyExists(apitest.ExecutionsResource, execution.Name))
				return true
			}
			s := newStore(t, api)
			created, err := s.Create(t.Context(), aRequest)
			if problem.Is(err, problem.InternalError) != test.wantErr {
				t.Fatal(err)
			}
			if err == nil && created.Name != names[test.taken] {
				t.Errorf("answered with %q, want %q", created.Name, names[test.taken])
			}
			slices.Sort(names)
			if len(slices.Compact(names)) != min(test.taken+1, maxNameAttempts) {
				t.Errorf("names tried: %v", names)
			}
			if len(s.unconfirmed.entries) > 0 {
				t.Error("a foreign object must not be looked for")
			}
		})
	}
}

func TestUnconfirmedCreates(t *testing.T) {
	begin := time.Now()
	foreign := func(execution *dispatcherv1alpha1.JobExecution) {
		execution.Annotations[dispatcherv1alpha1.AnnotationRequestID] = "somebody else's"
	}
	for _, test := range []struct {
		reason      string
		stored      bool
		change      func(*dispatcherv1alpha1.JobExecution)
		unavailable bool
		age         time.Duration
		wantKept    bool // still looked for
		wantStored  bool
	}{
		{reason: "it turned up: deleted", stored: true, age: sweepInterval},
		{reason: "however late", stored: true, age: unconfirmedTimeout},
		{reason: "it may still turn up", age: sweepInterval, wantKept: true},
		{reason: "it cannot turn up any more", age: settledAfter},
		{reason: "it is not ours: left alone", stored: true, change: foreign, age: sweepInterval, wantStored: true},
		{reason: "the API server is away: tried again", stored: true, unavailable: true, age: settledAfter, wantKept: true,
			wantStored: true},
		{reason: "but not for ever", stored: true, unavailable: true, age: unconfirmedTimeout, wantStored: true},
	} {
		t.Run(test.reason, func(t *testing.T) {
			api := apitest.New(t)
			api.OnCreate = api.Lose
			s := newStore(t, api)
			if _, err := s.Create(t.Context(), aRequest); !problem.Is(err, problem.Unavailable) {
				t.Fatal(err)
			}
			if test.stored {
				api.StoreLate(test.change)
			}
			if test.unavailable {
				api.OnGet = func(w http.ResponseWriter, _ *http.Request) bool {
					apitest.AnswerError(w, apierrors.NewServiceUnavailable("x"))
					return true
				}
			}
			s.unconfirmed.entries[0].since = begin
			s.unconfirmed.now = func() time.Time { return begin.Add(test.age) }
			s.unconfirmed.sweep(t.Context())
			if got := len(s.unconfirmed.entries) == 1; got != test.wantKept {
				t.Errorf("still looked for: %t, want %t", got, test.wantKept)
			}
			if got := len(api.Names()) == 1; got != test.wantStored {
				t.Errorf("still stored: %t, want %t", got, test.wantStored)
			}
		})
	}
}

func TestUnconfirmedCreatesAreBounded(t *testing.T) {
	unconfirmed := newStore(t, apitest.New(t)).unconfirmed
	execution := aRequest.execution()
	for range maxUnconfirmed + 1 {
		unconfirmed.add(execution)
	}
	if len(unconfirmed.entries) != maxUnconfirmed || unconfirmed.entries[0].execution.Spec.Payload != "" {
		t.Errorf(
			"%d are looked for, the first with payload %q",
			len(unconfirmed.entries),
			unconfirmed.entries[0].execution.Spec.Payload,
		)
	}
}

// The time-outs have to leave room for one another.
func TestTimeoutsFit(t *testing.T) {
	if CreateTimeout <= apiServerDeadline {
		t.Error("the API server's verdict does not arrive")
	}
	if settledAfter <= apiServerDeadline+sweepInterval {
		t.Error("the search for an unconfirmed create ends while it can turn up")
	}
}

// Many are looked for at a time, and the list keeps its bound meanwhile.
func TestUnconfirmedCreatesAreLookedForSideBySide(t *testing.T) {
	api := apitest.New(t)
	all := together(maxConcurrentLookups)
	api.OnGet = func(_ http.ResponseWriter, r *http.Request) bool {
		all(r)
		return false
	}
	unconfirmed := newStore(t, api).unconfirmed
	unconfirmed.now = func() time.Time { return time.Now().Add(settledAfter) } // so that none can turn up any more
	begin := time.Now()
	for i := range maxConcurrentLookups {
		meta := metav1.ObjectMeta{Namespace: "default", Name: "e" + strconv.Itoa(i)}
		unconfirmed.add(&dispatcherv1alpha1.JobExecution{ObjectMeta: meta})
		unconfirmed.entries[i].since = begin
	}
	unconfirmed.sweep(t.Context())
	if left := len(unconfirmed.entries); left > 0 {
		t.Errorf("%d are left", left)
	}
	for range maxUnconfirmed {
		unconfirmed.add(&dispatcherv1alpha1.JobExecution{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "e"}})
	}
	api.OnGet = func(http.ResponseWriter, *http.Request) bool {
		unconfirmed.add(&dispatcherv1alpha1.JobExecution{})
		return false
	}
	for _, entry := range unconfirmed.entries {
		entry.since = time.Now().Add(settledAfter) // so that they may still turn up
	}
	unconfirmed.sweep(t.Context())
	if length := len(unconfirmed.entries); length != maxUnconfirmed {
		t.Errorf("the list has %d entries, of at most %d", length, maxUnconfirmed)
	}
}
