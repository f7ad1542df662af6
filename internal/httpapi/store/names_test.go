package store

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/apitest"
	"dispatcher.ivan.vc/internal/objectcache"
	"dispatcher.ivan.vc/internal/render"
)

func TestNewNames(t *testing.T) {
	want := regexp.MustCompile(`^a-[a-z0-9]{10}$`)
	one, other := newName("a", render.AnyName()), newName("a", render.AnyName())
	if !want.MatchString(one) || one == other {
		t.Errorf("got %q and %q, want %s", one, other, want)
	}
}

// A rule belongs to a version of a template.
func TestNameRulesAreRemembered(t *testing.T) {
	rules := newNameRules()
	template := &dispatcherv1alpha1.JobTemplate{}
	template.UID, template.ResourceVersion = "u", "1"
	if got := rules.of(template, render.SafeName()); got != render.AnyName() {
		t.Errorf("got %v", got)
	}
	template.Spec.JobTemplate.Name = "nightly-{{ .Name }}"
	if got := rules.of(template, render.SafeName()); got != render.AnyName() {
		t.Errorf("got %v: the rule is not remembered", got)
	}
	template.ResourceVersion = "2"
	if got := rules.of(template, render.SafeName()); got.MaxLength != 55 {
		t.Errorf("got %v of the next version", got)
	}
	if got := rules.of(nil, render.SafeName()); got != render.SafeName() {
		t.Errorf("got %v of an unknown template", got)
	}
}

// A template that restricts names more than this replica knows costs a second create, and no error: the caller has not
// chosen the name.
func TestNameThatIsTooLong(t *testing.T) {
	api := apitest.New(t)
	api.OnCreate = func(w http.ResponseWriter, _ *http.Request, execution *dispatcherv1alpha1.JobExecution) bool {
		return refuseLongName(w, execution)
	}
	s := newStore(t, api)
	request := aRequest
	request.Template = strings.Repeat("t", 63)
	known := &dispatcherv1alpha1.JobTemplate{}
	known.Name = request.Template
	s.templates = objectcache.New().Templates(oneTemplate{template: known}, nil)
	created, err := s.Create(t.Context(), request)
	if err != nil || !render.SafeName().Allows(created.Name) {
		t.Errorf("got %v, %v", created, err)
	}
	s.templates = objectcache.New().Templates(api.Cache(), nil)
	before := len(api.Methods())
	if _, err := s.Create(t.Context(), request); err != nil || len(api.Methods())-before != 1 {
		t.Errorf("%v, after calls %v: a template that is not known may be Indexed", err, api.Methods()[before:])
	}
}
