package httpapi

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"dispatcher.ivan.vc/internal/httpapi/access"
	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// everyRoute calls visit with each method of each path of openapi.yaml.
func everyRoute(t *testing.T, visit func(t *testing.T, method, path string)) {
	t.Helper()
	for path, item := range readDocument(t).Paths {
		for _, key := range slices.Sorted(maps.Keys(item)) {
			if method := strings.ToUpper(key); slices.Contains(knownMethods, method) {
				t.Run(method+" "+path, func(t *testing.T) { visit(t, method, path) })
			}
		}
	}
}

// existing and absent are a path whose names are those of objects that exist, or that do not.
func existing(path string) string {
	return strings.NewReplacer("{namespace}", "default", "{template}", "t", "{name}", "n").Replace(path)
}

func absent(path string) string {
	return strings.NewReplacer("{namespace}", "default", "{template}", "none", "{name}", "none").Replace(path)
}

// comparable is an answer without what differs in each: the request's id and the name in the path.
func comparable(t *testing.T, response *http.Response, name string) string {
	t.Helper()
	var text strings.Builder
	id := response.Header.Get("X-Request-Id")
	response.Header.Del("X-Request-Id")
	if err := response.Write(&text); err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(id, "ID", `\"`+name+`\"`, "NAME").Replace(text.String())
}

// callers who lack every right, or have just that to execute another template.
var strangers = map[string]*access.Access{
	"anonymous":           accessAs(user.Anonymous, nothing),
	"a user":              accessAs("alice", nothing),
	"a user of another":   accessAs("alice", onlyTemplate("other")),
	"anonymous of others": accessAs(user.Anonymous, onlyTemplate("other")),
}

func accessAs(name string, may authorizer.Authorizer) *access.Access {
	return access.New(authenticator.RequestFunc(func(*http.Request) (*authenticator.Response, bool, error) {
		return &authenticator.Response{User: &user.DefaultInfo{Name: name}}, true, nil
	}), may)
}

var nothing = onlyTemplate("\x00")

// onlyTemplate allows everything about one template, and nothing about a whole namespace.
func onlyTemplate(template string) authorizer.Authorizer {
	return authorizer.AuthorizerFunc(
		func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
			if a.GetName() == template {
				return authorizer.DecisionAllow, "", nil
			}
			return authorizer.DecisionNoOpinion, "", nil
		})
}

// Whoever lacks the right cannot tell what exists from what does not, and costs the API server next to nothing.
func TestStrangersLearnNoNames(t *testing.T) {
	for who, access := range strangers {
		t.Run(who, func(t *testing.T) {
			everyRoute(t, func(t *testing.T, method, path string) {
				if path == "/openapi.yaml" {
					return
				}
				api := newFakeAPIServer(t)
				api.put("n", ends)
				api.Template = echo()
				d := testDependencies(api.client(t), testOptions())
				d.access = access
				s := newServer(d, testOptions(), logr.Discard())
				there := serve(s, httptest.NewRequest(method, existing(path), nil))
				if there.StatusCode != http.StatusUnauthorized && there.StatusCode != http.StatusForbidden {
					t.Errorf("status = %d", there.StatusCode)
				}
				if calls := len(api.Methods()); calls > 0 {
					t.Errorf("the API server was asked %d times", calls)
				}
				name := "n"
				if !strings.Contains(path, "{name}") {
					name = "t"
				}
				gone := serve(s, httptest.NewRequest(method, absent(path), nil))
				if diff := cmp.Diff(comparable(t, there, name), comparable(t, gone, "none")); diff != "" {
					t.Errorf("what exists and what does not (-exists +absent):\n%s", diff)
				}
			})
		})
	}
}

// A caller with the right on the namespace is told what does not exist.
func TestWhoMaySeeAllIsToldWhatIsAbsent(t *testing.T) {
	everyRoute(t, func(t *testing.T, method, path string) {
		if !strings.Contains(path, "{name}") {
			return
		}
		response := serve(newFakeAPIServer(t).server(t, testOptions()), httptest.NewRequest(method, absent(path), nil))
		if got := problemOf(t, response); got.Reason != problem.ExecutionNotFound {
			t.Errorf("got %+v", got)
		}
	})
}

// foreignOrigins are headers of a page of another origin, as browsers send them with a request that changes something.
var foreignOrigins = map[string]http.Header{
	"fetch metadata":           {"Sec-Fetch-Site": {"cross-site"}},
	"another port of the host": {"Sec-Fetch-Site": {"same-site"}},
	"an origin":                {"Origin": {"http://evil.example"}},
	"an origin of no host":     {"Origin": {"null"}},
	"the host in its name":     {"Origin": {"http://example.com.evil.example"}},
	"both, and a body of a form": {
		"Origin": {"http://evil.example"}, "Sec-Fetch-Site": {"cross-site"}, "Content-Type": {"text/plain"},
	},
	"with the user's credentials":  {"Origin": {"http://evil.example"}, "Authorization": {"Bearer good"}},
	"another port, by its origin":  {"Origin": {"http://example.com:8443"}},
	"an origin that is no address": {"Origin": {"evil"}},
}

func TestOtherOriginsChangeNothing(t *testing.T) {
	for what, header := range foreignOrigins {
		t.Run(what, func(t *testing.T) {
			everyRoute(t, func(t *testing.T, method, path string) {
				if method == http.MethodGet {
					return // A page of another origin may send it, and cannot read the answer.
				}
				api := newFakeAPIServer(t)
				api.put("n", ends)
				request := httptest.NewRequest(method, existing(path), nil)
				request.Header = header.Clone()
				response := serve(api.server(t, testOptions()), request)
				if got := problemOf(t, response); got.Status != http.StatusForbidden || got.Reason != problem.CrossOrigin {
					t.Errorf("got %+v", got)
				}
				if len(api.Methods()) > 0 {
					t.Errorf("the API server was asked: %v", api.Methods())
				}
			})
		})
	}
}

// Requests of tools, and of pages that this server could have served.
func TestSameOriginMayChange(t *testing.T) {
	for what, header := range map[string]http.Header{
		"a tool":             {},
		"an address bar":     {"Sec-Fetch-Site": {"none"}},
		"a page of its own":  {"Sec-Fetch-Site": {"same-origin"}, "Origin": {"http://example.com"}},
		"an older browser's": {"Origin": {"http://example.com"}},
	} {
		request := httptest.NewRequest(http.MethodPut, "/execute/t", nil)
		request.Header = header
		response := serve(newFakeAPIServer(t).server(t, testOptions()), request)
		if response.StatusCode != http.StatusCreated {
			t.Errorf("%s: status = %d", what, response.StatusCode)
		}
	}
}

// A name that is not this server's, to which DNS leads a browser, is refused before anything is looked at.
func TestForeignHostsAreRefused(t *testing.T) {
	everyRoute(t, func(t *testing.T, method, path string) {
		api := newFakeAPIServer(t)
		request := httptest.NewRequest(method, existing(path), nil)
		request.Host = "evil.example"
		request.Header.Set("Origin", "http://evil.example")
		got := problemOf(t, serve(api.server(t, testOptions()), request))
		if got.Status != http.StatusMisdirectedRequest || got.Reason != problem.HostNotAllowed {
			t.Errorf("got %+v", got)
		}
		if len(api.Methods()) > 0 {
			t.Errorf("the API server was asked: %v", api.Methods())
		}
	})
}

// No answer is kept by anybody but the description, and each has the id of its request.
func TestAnswersAreNotStored(t *testing.T) {
	check := func(t *testing.T, path string, response *http.Response) {
		t.Helper()
		want := "no-store"
		if path == "/openapi.yaml" && response.StatusCode == http.StatusOK {
			want = "no-cache"
		}
		if got := response.Header.Values("Cache-Control"); len(got) != 1 || got[0] != want {
			t.Errorf("%s with status %d: Cache-Control = %q", path, response.StatusCode, got)
		}
		if response.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s with status %d: no X-Request-Id", path, response.StatusCode)
		}
	}
	everyRoute(t, func(t *testing.T, method, path string) {
		api := newFakeAPIServer(t)
		api.put("n", ends)
		api.Template, api.OnPods = echo(), noPods
		s := api.server(t, testOptions())
		for _, target := range []string{existing(path), absent(path), existing(path) + "?unknown=1"} {
			check(t, path, serve(s, httptest.NewRequest(method, target, nil)))
		}
		check(t, path, serve(s, httptest.NewRequest(http.MethodOptions, existing(path), nil)))
		check(t, "", serve(s, httptest.NewRequest("BREW", existing(path), nil)))
		d := testDependencies(api.client(t), testOptions())
		d.access = strangers["a user"]
		check(t, path, serve(newServer(d, testOptions(), logr.Discard()), httptest.NewRequest(method, existing(path), nil)))
	})
	check(t, "", serve(newFakeAPIServer(t).server(t, testOptions()), httptest.NewRequest(http.MethodGet, "/nothing", nil)))
}
