package store

import (
	"context"
	"net/http"
	"strconv"
	"testing"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/apitest"
	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// codesOfProxies are those by which a proxy before the API server refuses a request, or an answer to it.
var codesOfProxies = []int{
	http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed,
	http.StatusRequestTimeout, http.StatusConflict, http.StatusGone, http.StatusUnprocessableEntity,
}

// A proxy says nothing about an execution, whatever its code: the caller is told to come again.
func TestProxiesTellNothing(t *testing.T) {
	for _, code := range codesOfProxies {
		refuse := func(w http.ResponseWriter) bool {
			http.Error(w, "<html>", code)
			return true
		}
		for name, call := range map[string]func(*Store, *dispatcherv1alpha1.JobExecution) error{
			"create": func(s *Store, _ *dispatcherv1alpha1.JobExecution) error {
				_, err := s.Create(context.Background(), aRequest)
				return err
			},
			"create once": func(s *Store, _ *dispatcherv1alpha1.JobExecution) error {
				_, _, err := s.CreateOnce(context.Background(), aRequest, Key{Value: "k"})
				return err
			},
			"get": func(s *Store, stored *dispatcherv1alpha1.JobExecution) error {
				_, err := s.Get(context.Background(), stored.Namespace, stored.Name)
				return err
			},
			"list": func(s *Store, stored *dispatcherv1alpha1.JobExecution) error {
				page := PageRequest{Limit: 1, Continue: "token"}
				_, err := s.Executions(context.Background(), stored.Namespace, page,
					func(*dispatcherv1alpha1.JobExecution) bool { return true })
				return err
			},
			"cancel": func(s *Store, stored *dispatcherv1alpha1.JobExecution) error {
				_, err := s.Cancel(context.Background(), stored)
				return err
			},
			"delete": func(s *Store, stored *dispatcherv1alpha1.JobExecution) error {
				_, err := s.Delete(context.Background(), stored)
				return err
			},
		} {
			t.Run(name+" "+strconv.Itoa(code), func(t *testing.T) {
				api := apitest.New(t)
				s := newStore(t, api)
				stored, err := s.Create(t.Context(), aRequest)
				if err != nil {
					t.Fatal(err)
				}
				api.OnCreate = func(w http.ResponseWriter, _ *http.Request, _ *dispatcherv1alpha1.JobExecution) bool {
					return refuse(w)
				}
				answer := func(w http.ResponseWriter, _ *http.Request) bool { return refuse(w) }
				api.OnPatch, api.OnDelete = answer, answer
				if name == "get" || name == "list" {
					api.OnGet = answer
				}
				if err := call(s, stored); !problem.Is(err, problem.Unavailable) {
					t.Errorf("got %v, want %s", err, problem.Unavailable)
				}
			})
		}
	}
}

// A proxy may refuse the answer to a create that was carried out. The execution is looked for until the API server has
// deleted it.
func TestCreateBehindAProxy(t *testing.T) {
	for _, code := range codesOfProxies {
		api := apitest.New(t)
		api.OnCreate = func(w http.ResponseWriter, _ *http.Request, execution *dispatcherv1alpha1.JobExecution) bool {
			api.Store(execution)
			http.Error(w, "<html>", code)
			return true
		}
		s := newStore(t, api)
		created, err := s.Create(t.Context(), aRequest)
		if err != nil || len(api.Names()) != 1 || "default/"+created.Name != api.Names()[0] {
			t.Errorf("%d: got %v, error %v, stored %v", code, created, err, api.Names())
		}
	}
	for _, code := range codesOfProxies {
		api := apitest.New(t)
		api.OnCreate = api.Lose
		s := newStore(t, api)
		if _, err := s.Create(t.Context(), aRequest); err == nil {
			t.Fatal("answered")
		}
		api.StoreLate(nil)
		api.OnDelete = func(w http.ResponseWriter, _ *http.Request) bool {
			http.Error(w, "<html>", code)
			return true
		}
		s.unconfirmed.sweep(t.Context())
		if len(s.unconfirmed.entries) != 1 {
			t.Errorf("%d: it is stored and not looked for any more", code)
		}
		api.OnDelete = nil
		s.unconfirmed.sweep(t.Context())
		if len(s.unconfirmed.entries) != 0 || len(api.Names()) != 0 {
			t.Errorf("%d: it is not deleted", code)
		}
	}
}
