package webhook

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/trial"
	"dispatcher.ivan.vc/internal/webhook/server"
)

// busyServer is an API server that answers nobody but the API server's own calls before it is told to.
type busyServer struct {
	client.Reader

	answer  chan struct{}
	waiting atomic.Int64
}

func (b *busyServer) wait(ctx context.Context) {
	if server.Address(ctx) == strangersAddress {
		b.waiting.Add(1)
		defer b.waiting.Add(-1)
		<-b.answer
	}
}

func (b *busyServer) Try(ctx context.Context, _ *batchv1.Job) (trial.Result, error) {
	b.wait(ctx)
	return trial.Result{}, nil
}

func (b *busyServer) Get(ctx context.Context, _ client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	b.wait(ctx)
	return nil
}

func (b *busyServer) Create(ctx context.Context, _ client.Object, _ ...client.CreateOption) error {
	b.wait(ctx)
	return nil
}

const strangersAddress = "10.6.6.6"

// Whatever a stranger makes the webhooks ask of the API server, it is a bounded number at a time, and others can ask.
func TestStrangersAskTheAPIServerOnlySoMuch(t *testing.T) {
	for reason, ask := range map[string]func(ctx context.Context, c calls, b *busyServer, namespace string){
		"dry runs": func(ctx context.Context, c calls, b *busyServer, namespace string) {
			_, _ = newFairTrier(c, b).Try(ctx, &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: namespace}})
		},
		"reads of templates": func(ctx context.Context, c calls, b *busyServer, namespace string) {
			key := client.ObjectKey{Namespace: namespace, Name: "a"}
			_, _ = newLookup(nil, fairReader{b, c}).getLive(ctx, key)
		},
		"access reviews": func(ctx context.Context, c calls, b *busyServer, namespace string) {
			template := &dispatcherv1alpha1.JobTemplate{ObjectMeta: metav1.ObjectMeta{Namespace: namespace}}
			_ = mayCreateJobs(ctx, fairReviews{c, b}, authenticationv1.UserInfo{}, template)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			b, c := &busyServer{answer: make(chan struct{})}, newCalls()
			for i := range 100 {
				go ask(server.WithAddress(t.Context(), strangersAddress), c, b, fmt.Sprint(i))
			}
			synctest.Wait()
			if got := b.waiting.Load(); got != maxCallsOfAddress {
				t.Errorf("%s: %d at a time, want %d", reason, got, maxCallsOfAddress)
			}
			ask(server.WithAddress(t.Context(), "10.0.0.1"), c, b, "0")
			close(b.answer)
			synctest.Wait()
		})
	}
}

// A template of some bytes can be rendered to two megabytes, of which a dry run makes many. They are tried one after the
// other, and take turns with those of other namespaces. Small ones wait for none.
func TestLargeJobsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tried, answer := make(chan string, 100), make(chan struct{})
		trier := newFairTrier(newCalls(), trierFunc(func(job *batchv1.Job) {
			tried <- job.Namespace + job.Name
			<-answer
		}))
		ctx := server.WithAddress(t.Context(), "10.0.0.1")
		try := func(namespace, name string, size int) {
			job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
			job.Annotations = map[string]string{"a": strings.Repeat("a", size)}
			_, _ = trier.Try(ctx, job)
		}
		tries := func() (all []string) {
			synctest.Wait()
			for len(tried) > 0 {
				all = append(all, <-tried)
			}
			return all
		}
		for range 20 {
			go try("busy/", "large", 2<<20)
		}
		if diff := cmp.Diff([]string{"busy/large"}, tries()); diff != "" {
			t.Errorf("at a time (-want +got):\n%s", diff)
		}
		go try("busy/", "small", 1<<10)
		go try("other/", "small", 1<<10)
		if got := tries(); len(got) != 2 {
			t.Errorf("small ones beside it: %q, want both", got)
		}
		go try("other/", "large", 2<<20)
		synctest.Wait()
		for range 3 {
			answer <- struct{}{}
		}
		next := tries() // It was the turn of the first namespace before the other one came.
		answer <- struct{}{}
		if diff := cmp.Diff([]string{"busy/large", "other/large"}, append(next, tries()...)); diff != "" {
			t.Errorf("the next (-want +got):\n%s", diff)
		}
		close(answer)
		if got := tries(); len(got) != 18 {
			t.Errorf("%d more were tried, want 18", len(got))
		}
	})
}

// trierFunc is called for each Job that is tried.
type trierFunc func(job *batchv1.Job)

func (f trierFunc) Try(_ context.Context, job *batchv1.Job) (trial.Result, error) {
	f(job)
	return trial.Result{}, nil
}

// An access review has no namespace itself. It counts for the one that it asks about.
func TestAccessReviewsTakeTurnsByNamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCalls()
		ctx := server.WithAddress(t.Context(), strangersAddress)
		asked, answer := make(chan string, 100), make(chan struct{})
		reviewer := reviewerFunc(func(review client.Object) {
			asked <- review.(*authorizationv1.SubjectAccessReview).Spec.ResourceAttributes.Namespace
			<-answer
		})
		ask := func(namespace string) {
			template := &dispatcherv1alpha1.JobTemplate{ObjectMeta: metav1.ObjectMeta{Namespace: namespace}}
			_ = mayCreateJobs(ctx, fairReviews{c, reviewer}, authenticationv1.UserInfo{}, template)
		}
		for range maxCallsOfAddress + 10 {
			go ask("busy")
		}
		synctest.Wait()
		if busy := len(asked); busy != maxCallsOfNamespace {
			t.Errorf("%d of one namespace at a time, want %d", busy, maxCallsOfNamespace)
		}
		go ask("other")
		synctest.Wait()
		close(answer)
		synctest.Wait()
		for range maxCallsOfNamespace {
			<-asked
		}
		if next := <-asked; next != "other" {
			t.Errorf("the next one is of %q", next)
		}
	})
}

// reviewerFunc is called for each review.
type reviewerFunc func(review client.Object)

func (f reviewerFunc) Create(_ context.Context, review client.Object, _ ...client.CreateOption) error {
	f(review)
	return nil
}
