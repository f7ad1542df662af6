package store

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/apitest"
	"dispatcher.ivan.vc/internal/httpapi/problem"
	"dispatcher.ivan.vc/internal/render"
)

// outcome is what became of a create with a key.
type outcome struct {
	repeated bool
	reason   problem.Reason // empty if it succeeded
}

var created, repeated = outcome{}, outcome{repeated: true}

func createOnce(t *testing.T, s *Store, key string) outcome {
	t.Helper()
	_, repeated, err := s.CreateOnce(t.Context(), aRequest, Key{User: "alice", Value: key})
	if err != nil {
		return outcome{reason: problemOf(t, err).Reason}
	}
	return outcome{repeated: repeated}
}

func TestKeyedNames(t *testing.T) {
	name := func(template, key string) string {
		execution := Request{Template: template, Payload: "p"}.execution()
		return setKey(execution, Key{User: "alice", UID: "1", Value: key}, render.AnyName())[0]
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
	if got, want := name("nightly", "8e03978e-40d5-43e8-bc93-6894a57f9324"), "nightly-pknnzpnuk7i7lhuhyzzl"; got != want {
		t.Errorf("the name of a key is %q, and was %q: keys in use would run again", got, want)
	}
}

// Whatever a replica knows of the template, it looks up each name that another replica, or an earlier version, may have
// stored with the key.
func TestNamesOfAKey(t *testing.T) {
	for _, template := range []string{"a", strings.Repeat("a", 31), strings.Repeat("a", 32), strings.Repeat("a", 63), "a.b"} {
		names := func(rule render.NameRule) []string {
			return setKey(Request{Template: template}.execution(), Key{User: "alice", Value: "k"}, rule)
		}
		unknown, safe := names(render.AnyName()), names(render.SafeName())
		if unknown[0] != safe[len(safe)-1] || safe[0] != unknown[len(unknown)-1] || len(safe) != len(unknown) {
			t.Errorf("%s: the names are %q, and where they must be short %q", template, unknown, safe)
		}
		if alike := render.SafeName().Allows(unknown[0]); alike != (len(unknown) == 1) {
			t.Errorf("%s: the names are %q: one look must do where one name is enough", template, unknown)
		}
		short := names(render.NameRule{MaxLength: 22})
		if len(short[0]) > 22 || !slices.Contains(short, unknown[0]) || !slices.Contains(short, safe[0]) {
			t.Errorf("%s: the names are %q, which must contain %q and %q", template, short, unknown[0], safe[0])
		}
	}
}

// A template becomes Indexed while this replica does not know it yet: admission refuses the name, and a shorter one is
// stored. A repeat finds it, at a replica that knows the template as well as at one that does not.
func TestKeyWhoseNameIsTooLong(t *testing.T) {
	api := apitest.New(t)
	api.OnCreate = func(w http.ResponseWriter, _ *http.Request, execution *dispatcherv1alpha1.JobExecution) bool {
		return refuseLongName(w, execution)
	}
	request := aRequest
	request.Template = strings.Repeat("t", 52)
	for _, want := range []bool{false, true} {
		stored, repeated, err := newStore(t, api).CreateOnce(t.Context(), request, Key{User: "alice", Value: "k"})
		if err != nil || repeated != want || !render.SafeName().Allows(stored.Name) {
			t.Fatalf("got %v, repeated: %v, %v", stored, repeated, err)
		}
	}
	if names := api.Names(); len(names) != 1 {
		t.Errorf("stored %v", names)
	}
}

// refuseLongName refuses what admission refuses of an Indexed Job.
func refuseLongName(w http.ResponseWriter, execution *dispatcherv1alpha1.JobExecution) bool {
	if render.SafeName().Allows(execution.Name) {
		return false
	}
	apitest.AnswerError(w, apierrors.NewInvalid(apitest.ExecutionKind, execution.Name, field.ErrorList{
		field.Invalid(field.NewPath("metadata", "name"), execution.Name, "too long")}))
	return true
}

func TestWhatIsStoredOfAKey(t *testing.T) {
	api := apitest.New(t)
	createOnce(t, newStore(t, api), "a-secret-key")
	for _, execution := range api.Stored() {
		for annotation, value := range execution.Annotations {
			if strings.Contains(value, "a-secret-key") {
				t.Errorf("%s tells the key: %q", annotation, value)
			}
		}
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
			api := apitest.New(t)
			s := newStore(t, api)
			createOnce(t, s, "k")
			for _, execution := range api.Stored() {
				change(execution)
			}
			got := createOnce(t, s, "k")
			if got.reason != problem.IdempotencyKeyConflict {
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
		want       outcome // of the call
		wantRepeat outcome
	}{
		{"stored, but the connection broke", hangUp, true, created, repeated},
		{"not stored, and the connection broke", hangUp, false, outcome{reason: problem.Unavailable}, created},
		{"refused: the key is not used up", func(w http.ResponseWriter) {
			apitest.AnswerError(w, apierrors.NewInvalid(apitest.ExecutionKind, "", nil))
		}, false, outcome{reason: problem.Invalid}, created},
		{"a policy that judges before the name is looked at", func(w http.ResponseWriter) {
			apitest.AnswerError(w, policy(403, "Forbidden", `exceeded quota: x`))
		}, true, created, repeated},
	} {
		t.Run(test.reason, func(t *testing.T) {
			api := apitest.New(t)
			var failed atomic.Bool
			api.OnCreate = func(w http.ResponseWriter, _ *http.Request, execution *dispatcherv1alpha1.JobExecution) bool {
				if failed.Swap(true) {
					return false
				}
				if test.stores {
					api.Store(execution)
				}
				test.answer(w)
				return true
			}
			s := newStore(t, api)
			if got := createOnce(t, s, "k"); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if len(s.unconfirmed.entries) > 0 {
				t.Error("what has a key must not be deleted: its repeat may have claimed it")
			}
			if got := createOnce(t, s, "k"); got != test.wantRepeat {
				t.Errorf("the repeat got %v, want %v", got, test.wantRepeat)
			}
			if names := api.Names(); len(names) != 1 {
				t.Errorf("stored %v", names)
			}
		})
	}
}

// Without a look at the API server nothing is created, and what is there is given out whatever admission thinks now.
func TestKeyIsLookedUpFirst(t *testing.T) {
	api := apitest.New(t)
	s := newStore(t, api)
	createOnce(t, s, "k")
	api.OnCreate = func(w http.ResponseWriter, _ *http.Request, _ *dispatcherv1alpha1.JobExecution) bool {
		apitest.AnswerError(w, apierrors.NewInvalid(apitest.ExecutionKind, "", nil))
		return true
	}
	if got := createOnce(t, s, "k"); got != repeated {
		t.Errorf("got %v: a template that has changed since refuses a repeat", got)
	}
	api.OnGet = func(w http.ResponseWriter, _ *http.Request) bool {
		apitest.AnswerError(w, apierrors.NewServiceUnavailable("x"))
		return true
	}
	before := len(api.Methods())
	if got := createOnce(t, s, "l"); got != (outcome{reason: problem.Unavailable}) {
		t.Errorf("got %v", got)
	}
	if diff := cmp.Diff([]string{http.MethodGet}, api.Methods()[before:]); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}
