package objectcache

import (
	"context"
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// reader has one object, or none, and counts the reads.
type reader struct {
	client.Reader
	object client.Object
	gets   int
}

func (r *reader) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	r.gets++
	if r.object == nil {
		return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
	}
	switch object := r.object.DeepCopyObject().(type) {
	case *dispatcherv1alpha1.JobTemplate:
		*into.(*dispatcherv1alpha1.JobTemplate) = *object
	case *dispatcherv1alpha1.JobExecution:
		*into.(*dispatcherv1alpha1.JobExecution) = *object
	}
	return nil
}

var key = types.NamespacedName{Namespace: "default", Name: "hello"}

// templateOf returns a template that sets a label and has our annotation, which a user has set.
func templateOf(version, sample string) *dispatcherv1alpha1.JobTemplate {
	return &dispatcherv1alpha1.JobTemplate{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: key.Namespace, Name: key.Name, UID: "1", ResourceVersion: version,
			Labels:      map[string]string{"team": "data"},
			Annotations: map[string]string{annotationIncomplete: "by hand", "example.com/a": "b"},
		},
		Spec: dispatcherv1alpha1.JobTemplateSpec{SamplePayload: &sample},
	}
}

func TestTemplates(t *testing.T) {
	huge := strings.Repeat("x", maxTemplates/4)
	anew := templateOf("1", "anew")
	anew.UID = "2"
	for _, test := range []struct {
		reason       string
		seen         []*dispatcherv1alpha1.JobTemplate // By the informer, in order.
		live         *dispatcherv1alpha1.JobTemplate
		want         string // The sample payload; empty is NotFound.
		gets, inKept int    // Calls of the API server: by the first Get, and by the second.
	}{
		{"the informer has shown it", seen(templateOf("1", "a")), nil, "a", 0, 0},
		{"it has changed", seen(templateOf("1", "a"), templateOf("2", "b")), nil, "b", 0, 0},
		{"it is too large to be kept", seen(templateOf("1", huge)), templateOf("1", huge), huge, 1, 1},
		{"it has become too large", seen(templateOf("1", "a"), templateOf("2", huge)), templateOf("2", huge), huge, 1, 1},
		{"it was deleted meanwhile", seen(templateOf("1", huge)), nil, "", 1, 1},
		{"it was made anew meanwhile", seen(templateOf("1", huge)), anew, "anew", 1, 1},
		{"it does not exist", nil, nil, "", 0, 0},
	} {
		objects := New()
		cached, live := &reader{}, &reader{}
		for _, template := range test.seen {
			cached.object = objects.transform(t, template)
		}
		if test.live != nil {
			live.object = test.live
		}
		templates := objects.Templates(cached, live)
		for i, gets := range []int{test.gets, test.inKept} {
			live.gets = 0
			got, err := templates.Get(t.Context(), key)
			switch {
			case test.want == "" && !apierrors.IsNotFound(err):
				t.Errorf("%s: error %v, want NotFound", test.reason, err)
			case test.want != "" && (err != nil || *got.Spec.SamplePayload != test.want || got.Labels["team"] != "data" ||
				got.Annotations["example.com/a"] != "b" || IsIncomplete(got)):
				t.Errorf("%s: got error %v and another template", test.reason, err)
			}
			if live.gets != gets {
				t.Errorf("%s: read %d asked the API server %d times, want %d", test.reason, i+1, live.gets, gets)
			}
		}
	}
}

func seen(templates ...*dispatcherv1alpha1.JobTemplate) []*dispatcherv1alpha1.JobTemplate {
	return templates
}

// A template that was dropped is read once, and then kept again.
func TestADroppedTemplateIsReadOnce(t *testing.T) {
	objects := New()
	cached, live := &reader{}, &reader{object: templateOf("1", "a")}
	cached.object = objects.transform(t, templateOf("1", "a"))
	objects.templates.remove("1")
	templates := objects.Templates(cached, live)
	if _, err := templates.Kept(t.Context(), key); !errors.Is(err, ErrNotKept) {
		t.Errorf("error %v, want ErrNotKept", err)
	}
	if weight, ok := templates.Weight(t.Context(), key); ok {
		t.Errorf("it weighs %d bytes, and is not there", weight)
	}
	var first *dispatcherv1alpha1.JobTemplate
	for i := range 3 {
		got, err := templates.Get(t.Context(), key)
		if err != nil || *got.Spec.SamplePayload != "a" {
			t.Fatalf("got %v, %v", got, err)
		}
		if i == 0 {
			first = got
		}
		if got != first {
			t.Error("it was copied")
		}
	}
	if live.gets != 1 {
		t.Errorf("the API server was asked %d times, want once", live.gets)
	}
	if weight, ok := templates.Weight(t.Context(), key); !ok || weight < weightOf(first) {
		t.Errorf("it weighs %d bytes, %v", weight, ok)
	}
}

// A slow read may put an older version into memory than the informer shows.
func TestAnOlderTemplateIsNotUsed(t *testing.T) {
	objects := New()
	cached, live := &reader{}, &reader{object: templateOf("2", "b")}
	cached.object = objects.transform(t, templateOf("2", "b"))
	objects.keepTemplate(templateOf("1", "a"))
	got, err := objects.Templates(cached, live).Get(t.Context(), key)
	if err != nil || *got.Spec.SamplePayload != "b" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestRestore(t *testing.T) {
	payload := strings.Repeat("x", 1000*smallPayload)
	execution := func(uid types.UID, payload string, annotations map[string]string) *dispatcherv1alpha1.JobExecution {
		e := &dispatcherv1alpha1.JobExecution{}
		e.Namespace, e.Name, e.UID, e.Annotations, e.Spec.Payload = "default", "run", uid, annotations, payload
		return e
	}
	byHand := map[string]string{annotationIncomplete: "by hand"}
	for _, test := range []struct {
		reason    string
		stored    *dispatcherv1alpha1.JobExecution
		read      bool // Past the informer.
		forgotten bool // The memory has dropped the payload.
		live      *dispatcherv1alpha1.JobExecution
		gets      int
		notFound  bool
	}{
		{"small: the informer has it", execution("1", "a", nil), false, true, nil, 0, false},
		{"none", execution("1", "", nil), false, true, nil, 0, false},
		{"large: the memory has it", execution("1", payload, nil), false, false, nil, 0, false},
		{"large, dropped", execution("1", payload, nil), false, true, execution("1", payload, nil), 1, false},
		{"large, dropped and deleted", execution("1", payload, nil), false, true, nil, 1, true},
		{"large, dropped and made anew", execution("1", payload, nil), false, true, execution("2", "other", nil), 1, true},
		{"marked by a user, small", execution("1", "a", byHand), false, true, nil, 0, false},
		{"marked by a user, none", execution("1", "", byHand), false, true, execution("1", "", byHand), 1, false},
		{"marked by a user, read", execution("1", payload, byHand), true, true, nil, 0, false},
		{"marked by a user, none, read", execution("1", "", byHand), true, true, execution("1", "", byHand), 1, false},
	} {
		objects := New()
		given, live := test.stored.DeepCopy(), &reader{}
		if !test.read {
			given = objects.transform(t, given).(*dispatcherv1alpha1.JobExecution)
		}
		if test.forgotten {
			objects.payloads.remove("1")
		}
		if test.live != nil {
			live.object = test.live
		}
		before := given.DeepCopy()
		got, err := objects.Payloads(live).Restore(t.Context(), given)
		switch {
		case test.notFound && !apierrors.IsNotFound(err):
			t.Errorf("%s: error %v, want NotFound", test.reason, err)
		case !test.notFound && (err != nil || got.Spec.Payload != test.stored.Spec.Payload || IsIncomplete(got)):
			t.Errorf("%s: error %v, or another payload, or incomplete", test.reason, err)
		}
		if live.gets != test.gets {
			t.Errorf("%s: the API server was asked %d times, want %d", test.reason, live.gets, test.gets)
		}
		if given.Spec.Payload != before.Spec.Payload || IsIncomplete(given) != IsIncomplete(before) {
			t.Errorf("%s: the given execution was changed", test.reason)
		}
	}
}
