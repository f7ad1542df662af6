package controller

import (
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/trial"
)

// The API server would create a Job whose pods it then refuses.
func TestPodSecurity(t *testing.T) {
	const enforce, version = "pod-security.kubernetes.io/enforce", "pod-security.kubernetes.io/enforce-version"
	strict := corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false), RunAsNonRoot: new(true),
		Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	privileged := corev1.SecurityContext{Privileged: new(true)}
	for _, test := range []struct {
		reason  string
		labels  map[string]string
		context *corev1.SecurityContext
		ready   bool
	}{
		{"no label", nil, &privileged, true},
		{"only a warning", map[string]string{"pod-security.kubernetes.io/warn": "restricted"}, &privileged, true},
		{"privileged", map[string]string{enforce: "privileged"}, &privileged, true},
		{"baseline, privileged container", map[string]string{enforce: "baseline"}, &privileged, false},
		{"baseline", map[string]string{enforce: "baseline"}, nil, true},
		{"restricted", map[string]string{enforce: "restricted"}, nil, false},
		{"restricted, of a version", map[string]string{enforce: "restricted", version: "v1.30"}, nil, false},
		{"restricted, and the container is", map[string]string{enforce: "restricted"}, &strict, true},
		{"an unknown level is restricted", map[string]string{enforce: "odd"}, nil, false},
	} {
		job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "default"}}
		job.Spec.Template.Spec.Containers = []corev1.Container{{Name: "main", SecurityContext: test.context}}
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default", Labels: test.labels}}
		c := newTemplateCluster(t, &answers{result: trial.Result{Job: job}}, templateWith(""), namespace)
		if _, err := c.reconcileTemplate(); err != nil {
			t.Errorf("%s: %v", test.reason, err)
			continue
		}
		status := c.templateStatus()
		ready := meta.FindStatusCondition(status.Conditions, dispatcherv1alpha1.ConditionReady)
		want := map[bool]string{true: dispatcherv1alpha1.ReasonAccepted, false: dispatcherv1alpha1.ReasonJobForbidden}
		stalled := meta.IsStatusConditionTrue(status.Conditions, dispatcherv1alpha1.ConditionStalled)
		if ready.Reason != want[test.ready] || stalled == test.ready || len(ready.Message) > 1000 {
			t.Errorf("%s: %v", test.reason, status.Conditions)
		}
	}
}
