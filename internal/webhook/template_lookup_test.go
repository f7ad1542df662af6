package webhook

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/objectcache"
	"dispatcher.ivan.vc/internal/webhook/server"
)

// newLookup returns a lookup in a cache and in an API server.
func newLookup(cached, live client.Reader) *templateLookup {
	return newTemplateLookup(objectcache.New().Templates(cached, live))
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
		got, release, err := lookup.get(t.Context(), client.ObjectKey{Namespace: "default", Name: "a"})
		if test.want == nil && !apierrors.IsNotFound(err) {
			t.Errorf("%s: error %v, want NotFound", test.reason, err)
		}
		if test.want != nil && (err != nil || got.ResourceVersion != test.want.ResourceVersion) {
			t.Errorf("%s: got %v, %v", test.reason, got, err)
		}
		if err == nil {
			release()
		}
		if test.live.gets != test.liveGets {
			t.Errorf("%s: the API server was asked %d times, want %d", test.reason, test.live.gets, test.liveGets)
		}
	}
}

func TestTemplateLookupPassesErrorsOn(t *testing.T) {
	away := errors.New("away")
	lookup := newLookup(&stubReader{}, &stubReader{err: away})
	if _, _, err := lookup.get(t.Context(), client.ObjectKey{}); !errors.Is(err, away) {
		t.Errorf("got %v, want the error of the live read", err)
	}
}

// However many executions of large templates a namespace has, and of templates that are not in the cache, few hold one
// at a time, and those of other namespaces do not wait.
func TestLookupsOfLargeTemplatesTakeTurns(t *testing.T) {
	large := jobTemplate("a", "")
	large.Annotations = map[string]string{"large": strings.Repeat("x", 3<<20)}
	small := jobTemplate("a", "")
	for _, test := range []struct {
		reason       string
		cached, live sharedReader
		want         int64
	}{
		{"large ones", sharedReader{template: large}, sharedReader{}, 3},
		{"small ones", sharedReader{template: small}, sharedReader{}, 100},
		{"not in the cache", sharedReader{}, sharedReader{template: small}, 3},
		{"not there", sharedReader{}, sharedReader{}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			lookup := newLookup(test.cached, test.live)
			ctx := server.WithAddress(t.Context(), "10.0.0.1")
			var held, failed atomic.Int64
			end := make(chan struct{})
			get := func(namespace string) {
				_, release, err := lookup.get(ctx, client.ObjectKey{Namespace: namespace, Name: "a"})
				if err != nil {
					failed.Add(1)
					return
				}
				held.Add(1)
				<-end
				release()
			}
			for range 100 {
				go get("default")
			}
			synctest.Wait()
			if held.Load() != test.want {
				t.Errorf("%s: %d at a time, want %d", test.reason, held.Load(), test.want)
			}
			before := failed.Load()
			go get("other")
			synctest.Wait()
			if failed.Load() != before+1 { // It has no template.
				t.Errorf("%s: another namespace has to wait", test.reason)
			}
			close(end)
			synctest.Wait()
			if held.Load()+failed.Load() != 101 {
				t.Errorf("%s: %d were looked up and %d refused, of 101", test.reason, held.Load(), failed.Load())
			}
		})
	}
}

// sharedReader answers many reads at a time with one template.
type sharedReader struct {
	client.Reader

	template *dispatcherv1alpha1.JobTemplate
}

func (s sharedReader) Get(
	ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption,
) error {
	return (&stubReader{template: s.template}).Get(ctx, key, object, options...)
}
