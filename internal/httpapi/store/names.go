package store

import (
	"crypto/rand"
	"errors"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/lru"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

// nameSuffixLength is the length of the random end of an execution's name: 50 bits.
const nameSuffixLength = 10

// newName returns a name for an execution of template that nobody can guess. It is ours to choose, and not the API
// server's: an object whose create was not answered can be looked up only by a name that is known.
func newName(template string, rule render.NameRule) string {
	return render.ExecutionName(template, strings.ToLower(rand.Text()[:nameSuffixLength]), rule)
}

// maxNameRules is how many templates' rules are remembered, of about 200 bytes each.
const maxNameRules = 4096

// nameRules remembers the rules for the names of executions, so that a large template is not read for each. It is safe
// for concurrent use.
type nameRules struct{ rules *lru.Cache }

func newNameRules() nameRules { return nameRules{lru.New(maxNameRules)} }

// ruledTemplate is a version of a template.
type ruledTemplate struct {
	uid             types.UID
	resourceVersion string
}

// of returns the rule for the executions of template, or unknown if there is no template.
func (n nameRules) of(template *dispatcherv1alpha1.JobTemplate, unknown render.NameRule) render.NameRule {
	if template == nil {
		return unknown
	}
	key := ruledTemplate{template.UID, template.ResourceVersion}
	if rule, ok := n.rules.Get(key); ok {
		return rule.(render.NameRule)
	}
	rule := render.NameRuleOf(template)
	n.rules.Add(key, rule)
	return rule
}

// isNameRefused tells whether an execution was refused for its name and nothing else: the template has changed since
// the name was made.
func isNameRefused(err error) bool {
	var answered apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &answered) {
		return false
	}
	details := answered.Status().Details
	return details != nil && details.Group == dispatcherv1alpha1.GroupVersion.Group && len(details.Causes) > 0 &&
		!slices.ContainsFunc(details.Causes, func(cause metav1.StatusCause) bool { return cause.Field != "metadata.name" })
}
