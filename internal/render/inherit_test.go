package render

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

func TestInherit(t *testing.T) {
	for _, test := range []struct {
		reason        string
		template, own map[string]string
		templateTTL   *int32
		ownTTL        *int32
		wantLabels    map[string]string
		wantTTL       *int32
	}{
		{
			reason:     "labels and TTL come from the template",
			template:   map[string]string{"team": "x"},
			wantLabels: map[string]string{"team": "x", dispatcherv1alpha1.LabelJobTemplate: "a"}, templateTTL: new(int32(60)), wantTTL: new(int32(60)),
		},
		{
			reason:   "what the user says wins",
			template: map[string]string{"team": "x", "tier": "1"}, own: map[string]string{"team": "y"},
			wantLabels:  map[string]string{"team": "y", "tier": "1", dispatcherv1alpha1.LabelJobTemplate: "a"},
			templateTTL: new(int32(60)), ownTTL: new(int32(0)), wantTTL: new(int32(0)),
		},
		{
			reason:     "executions are found by this label: nobody may set it to something else",
			template:   map[string]string{dispatcherv1alpha1.LabelJobTemplate: "b"},
			own:        map[string]string{dispatcherv1alpha1.LabelJobTemplate: "c"},
			wantLabels: map[string]string{dispatcherv1alpha1.LabelJobTemplate: "a"},
		},
		{
			reason: "a tool that prunes by label must not take the execution for its own",
			template: map[string]string{
				"applyset.kubernetes.io/part-of":   "applyset-1",
				"argocd.argoproj.io/instance":      "app",
				"kustomize.toolkit.fluxcd.io/name": "app",
				"app.kubernetes.io/managed-by":     "Helm",
				"app.kubernetes.io/name":           "report",
			},
			wantLabels: map[string]string{"app.kubernetes.io/name": "report", dispatcherv1alpha1.LabelJobTemplate: "a"},
		},
		{
			reason:     "no TTL anywhere stays no TTL",
			wantLabels: map[string]string{dispatcherv1alpha1.LabelJobTemplate: "a"},
		},
	} {
		template := &dispatcherv1alpha1.JobTemplate{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: test.template}}
		template.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}"}
		template.Spec.TTLSecondsAfterFinished = test.templateTTL
		execution := &dispatcherv1alpha1.JobExecution{ObjectMeta: metav1.ObjectMeta{Labels: test.own}}
		execution.Spec.TTLSecondsAfterFinished = test.ownTTL

		Inherit(execution, template)
		once := execution.DeepCopy()
		Inherit(execution, template)

		if diff := cmp.Diff(once, execution); diff != "" {
			t.Errorf("%s: the second time changed it again:\n%s", test.reason, diff)
		}
		if diff := cmp.Diff(test.wantLabels, execution.Labels); diff != "" {
			t.Errorf("%s: labels (-want +got):\n%s", test.reason, diff)
		}
		if diff := cmp.Diff(test.wantTTL, execution.Spec.TTLSecondsAfterFinished); diff != "" {
			t.Errorf("%s: TTL (-want +got):\n%s", test.reason, diff)
		}
		if len(execution.Annotations) > 0 {
			t.Errorf("%s: annotations were copied: %v", test.reason, execution.Annotations)
		}
	}
}
