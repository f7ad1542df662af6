package webhook

import (
	"errors"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/objectcache"
)

// newLookup returns a lookup in a cache and in an API server.
func newLookup(cached, live client.Reader) *templateLookup {
	return &templateLookup{objectcache.New().Templates(cached, live)}
}

func TestTemplateLookup(t *testing.T) {
	stored := jobTemplate("a", "")
	deleting := jobTemplate("a", "")
	deleting.DeletionTimestamp = &metav1.Time{Time: metav1.Now().Time}
	anew := jobTemplate("a", "")
	anew.ResourceVersion = "2"

	for _, test := range []struct {
		reason       string
		cached, live *stubReader
		want         *dispatcherv1alpha1.JobTemplate // nil is NotFound
		liveGets     int
	}{
		{"the cache has it: the API server is not asked", &stubReader{template: stored}, &stubReader{}, stored, 0},
		{"created a moment ago", &stubReader{}, &stubReader{template: stored}, stored, 1},
		{"it does not exist", &stubReader{}, &stubReader{}, nil, 1},
		{"deleted and made anew", &stubReader{template: deleting}, &stubReader{template: anew}, anew, 1},
		{"the cache is not started", &stubReader{err: &cache.ErrCacheNotStarted{}}, &stubReader{template: stored}, stored, 1},
		{"the cache is not in sync: its reads block", &stubReader{blocks: true}, &stubReader{template: stored}, stored, 1},
	} {
		lookup := newLookup(test.cached, test.live)
		got, err := lookup.get(t.Context(), client.ObjectKey{Namespace: "default", Name: "a"})
		if test.want == nil && !apierrors.IsNotFound(err) {
			t.Errorf("%s: error %v, want NotFound", test.reason, err)
		}
		if test.want != nil && (err != nil || got.ResourceVersion != test.want.ResourceVersion) {
			t.Errorf("%s: got %v, %v", test.reason, got, err)
		}
		if test.live.gets != test.liveGets {
			t.Errorf("%s: the API server was asked %d times, want %d", test.reason, test.live.gets, test.liveGets)
		}
	}
}

func TestTemplateLookupPassesErrorsOn(t *testing.T) {
	away := errors.New("away")
	lookup := newLookup(&stubReader{}, &stubReader{err: away})
	if _, err := lookup.get(t.Context(), client.ObjectKey{}); !errors.Is(err, away) {
		t.Errorf("got %v, want the error of the live read", err)
	}
}
