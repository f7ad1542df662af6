package httpapi

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
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
		{"a string of RFC 8941, as the draft wants it", []string{`"8e03978e-40d5-43e8-bc93-6894a57f9324"`}, "8e03978e-40d5-43e8-bc93-6894a57f9324"},
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
		{"a space", []string{`"a b"`}, ""},
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
	if got.Status != http.StatusBadRequest || got.Reason != reasonInvalidRequest || len(got.Errors) != 1 || got.Errors[0].Field != "Idempotency-Key" {
		t.Errorf("got %+v", got)
	}
	if calls := api.methods(); len(calls) > 0 {
		t.Errorf("the API server was asked: %v", calls)
	}
}

func TestKeyedNames(t *testing.T) {
	name := func(template, key string) string {
		execution := newExecution(target{namespace: "default", template: template}, "p", &record{})
		setKey(execution, key)
		return execution.Name
	}
	for _, test := range []struct {
		reason, template, want string
	}{
		{"a short name stays whole", "a", `^a-[a-z2-7]{20}$`},
		{"a long one is cut to what a Job's name has room for", strings.Repeat("a", 63), `^a{42}-[a-z2-7]{20}$`},
		{"a cut never ends in a dot", strings.Repeat("a", 41) + ".b", `^a{41}-[a-z2-7]{20}$`},
	} {
		got := name(test.template, "k")
		if !regexp.MustCompile(test.want).MatchString(got) || len(got) > 63 {
			t.Errorf("%s: got %q, want %s", test.reason, got, test.want)
		}
	}
	one, again := name("a", "k"), name("a", "k")
	if one != again || one == name("a", "l") || one[2:] == name("b", "k")[2:] {
		t.Error("the name depends on template and key, and on nothing else")
	}
	// Another version of this must find what an earlier one stored.
	if got, want := name("nightly", "8e03978e-40d5-43e8-bc93-6894a57f9324"), "nightly-sfx2warijrgzm5tvy2bm"; got != want {
		t.Errorf("the name of a key is %q, and was %q: keys in use would run again", got, want)
	}
}

func TestIdempotentRepeats(t *testing.T) {
	for _, test := range []struct {
		reason                 string
		template, key, payload string
		wantStatus             int
		wantReason             reason
	}{
		{"the same again", "t", "k", "p", http.StatusOK, ""},
		{"the same key in quotes", "t", `"k"`, "p", http.StatusOK, ""},
		{"another payload", "t", "k", "q", http.StatusUnprocessableEntity, reasonIdempotencyKeyReused},
		{"no payload is another payload", "t", "k", "", http.StatusUnprocessableEntity, reasonIdempotencyKeyReused},
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
			if got, want := len(api.names()), 1; test.wantStatus != http.StatusCreated && got != want {
				t.Errorf("%d executions, want %d", got, want)
			}
		})
	}
}

func TestWhatIsStoredOfAKey(t *testing.T) {
	api := newFakeAPIServer(t)
	executeWithKey(api.server(t, testOptions()), "t", "a-secret-key", "p")
	for _, execution := range api.stored {
		for annotation, value := range execution.Annotations {
			if strings.Contains(value, "a-secret-key") {
				t.Errorf("%s tells the key: %q", annotation, value)
			}
		}
		want := "sha256:148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940"
		if got := execution.Annotations[dispatcherv1alpha1.AnnotationPayloadDigest]; got != want {
			t.Errorf("digest of the payload %q = %q, want %q", "p", got, want)
		}
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
	if names := api.names(); len(names) != 1 {
		t.Errorf("stored %v", names)
	}
}

// A name can be taken by what somebody created by hand. It is not given out as the key's.
func TestKeyWhoseNameIsTaken(t *testing.T) {
	for reason, change := range map[string]func(*dispatcherv1alpha1.JobExecution){
		"without annotations": func(e *dispatcherv1alpha1.JobExecution) { e.Annotations = nil },
		"with another key's": func(e *dispatcherv1alpha1.JobExecution) {
			e.Annotations[dispatcherv1alpha1.AnnotationIdempotencyKeyHash] = "x"
		},
		"an execution of something else": func(e *dispatcherv1alpha1.JobExecution) { e.Spec.JobTemplateName = "u" },
	} {
		t.Run(reason, func(t *testing.T) {
			api := newFakeAPIServer(t)
			server := api.server(t, testOptions())
			executeWithKey(server, "t", "k", "p")
			for _, execution := range api.stored {
				change(execution)
			}
			got := problemOf(t, executeWithKey(server, "t", "k", "p"))
			if got.Status != http.StatusConflict || got.Reason != reasonIdempotencyKeyConflict {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// What a keyed create that failed leaves behind is its repeat's.
func TestKeyedCreateThatFails(t *testing.T) {
	for _, test := range []struct {
		reason     string
		answer     func(w http.ResponseWriter)
		stores     bool
		wantStatus int // of the call
		wantRepeat int
	}{
		{"stored, but the connection broke", hangUp, true, http.StatusCreated, http.StatusOK},
		{"not stored, and the connection broke", hangUp, false, http.StatusServiceUnavailable, http.StatusCreated},
		{"refused: the key is not used up", func(w http.ResponseWriter) {
			answerError(w, apierrors.NewInvalid(executionKind, "", nil))
		}, false, http.StatusUnprocessableEntity, http.StatusCreated},
		{"a policy that judges before the name is looked at", func(w http.ResponseWriter) {
			answerError(w, policy(403, "Forbidden", `exceeded quota: x`))
		}, true, http.StatusCreated, http.StatusOK},
	} {
		t.Run(test.reason, func(t *testing.T) {
			api := newFakeAPIServer(t)
			var failed atomic.Bool
			api.onCreate = func(w http.ResponseWriter, _ *http.Request, execution *dispatcherv1alpha1.JobExecution) bool {
				if failed.Swap(true) {
					return false
				}
				if test.stores {
					api.store(execution)
				}
				test.answer(w)
				return true
			}
			server := api.server(t, testOptions())
			if got := executeWithKey(server, "t", "k", "p").StatusCode; got != test.wantStatus {
				t.Errorf("status = %d, want %d", got, test.wantStatus)
			}
			if len(server.leftovers.entries) > 0 {
				t.Error("what has a key must not be deleted: its repeat may have claimed it")
			}
			if got := executeWithKey(server, "t", "k", "p").StatusCode; got != test.wantRepeat {
				t.Errorf("status of the repeat = %d, want %d", got, test.wantRepeat)
			}
			if names := api.names(); len(names) != 1 {
				t.Errorf("stored %v", names)
			}
		})
	}
}

// Without a look at the API server nothing is created, and what is there is given out whatever admission thinks now.
func TestKeyIsLookedUpFirst(t *testing.T) {
	api := newFakeAPIServer(t)
	server := api.server(t, testOptions())
	executeWithKey(server, "t", "k", "p")
	api.onCreate = func(w http.ResponseWriter, _ *http.Request, _ *dispatcherv1alpha1.JobExecution) bool {
		answerError(w, apierrors.NewInvalid(executionKind, "", nil))
		return true
	}
	if got := executeWithKey(server, "t", "k", "p").StatusCode; got != http.StatusOK {
		t.Errorf("status = %d: a template that has changed since refuses a repeat", got)
	}
	api.onGet = func(w http.ResponseWriter, _ *http.Request) bool {
		answerError(w, apierrors.NewServiceUnavailable("x"))
		return true
	}
	before := len(api.methods())
	if got := executeWithKey(server, "t", "l", "p").StatusCode; got != http.StatusServiceUnavailable {
		t.Errorf("status = %d", got)
	}
	if diff := cmp.Diff([]string{http.MethodGet}, api.methods()[before:]); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}
