package store

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/apitest"
	"dispatcher.ivan.vc/internal/objectcache"
)

// oneTemplate is a cache that has one template, whatever is asked for.
type oneTemplate struct {
	client.Reader
	template *dispatcherv1alpha1.JobTemplate
}

func (o oneTemplate) Get(_ context.Context, _ client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	o.template.DeepCopyInto(object.(*dispatcherv1alpha1.JobTemplate))
	return nil
}

// What is not filled in must not be called so: then the webhook does it.
func TestDefaults(t *testing.T) {
	template := &dispatcherv1alpha1.JobTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: "t", Labels: map[string]string{"team": "x"}},
		Spec:       dispatcherv1alpha1.JobTemplateSpec{TTLSecondsAfterFinished: new(int32(60))},
	}
	incomplete := template.DeepCopy()
	for object, options := range objectcache.New().ByObject() {
		if _, ok := object.(*dispatcherv1alpha1.JobTemplate); !ok {
			continue
		}
		stripped, err := options.Transform(template.DeepCopy())
		if err != nil {
			t.Fatal(err)
		}
		incomplete = stripped.(*dispatcherv1alpha1.JobTemplate)
	}
	deleted := template.DeepCopy()
	deleted.DeletionTimestamp = new(metav1.Now())
	for _, test := range []struct {
		reason string
		cache  client.Reader
		filled bool
	}{
		{"the cache has the template", oneTemplate{template: template}, true},
		{"the cache lacks it: it may be new", apitest.New(t).Cache(), false},
		{"the whole template is not in memory", oneTemplate{template: incomplete}, false},
		{"it is being deleted: it may have been made anew", oneTemplate{template: deleted}, false},
	} {
		execution := aRequest.execution()
		want := execution.DeepCopy()
		if test.filled {
			want.Labels = map[string]string{"team": "x", dispatcherv1alpha1.LabelJobTemplate: "t"}
			want.Spec.TTLSecondsAfterFinished = new(int32(60))
			want.Annotations[dispatcherv1alpha1.AnnotationDefaulted] = "true"
		}
		s := &Store{templates: objectcache.New().Templates(test.cache, nil)}
		if got := s.setDefaults(t.Context(), execution); (got != nil) != test.filled {
			t.Errorf("%s: got template %v", test.reason, got)
		}
		if diff := cmp.Diff(want, execution); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.reason, diff)
		}
	}
}
