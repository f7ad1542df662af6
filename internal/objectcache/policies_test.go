package objectcache

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// The fingerprint tells the changes that matter to Jobs, and only those.
func TestFingerprint(t *testing.T) {
	template := func() client.Object {
		return &dispatcherv1alpha1.JobTemplate{ObjectMeta: metav1.ObjectMeta{UID: "1"}}
	}
	namespace := func() client.Object { return &corev1.Namespace{} }
	quota := func() client.Object { return &corev1.ResourceQuota{} }
	limits := func() client.Object { return &corev1.LimitRange{} }
	label := func(object client.Object) { object.SetLabels(map[string]string{"a": "b"}) }
	annotation := func(key string) func(client.Object) {
		return func(object client.Object) { object.SetAnnotations(map[string]string{key: "b"}) }
	}
	two := corev1.ResourceList{corev1.ResourcePods: resource.MustParse("2")}
	for _, test := range []struct {
		reason  string
		object  func() client.Object
		change  func(client.Object)
		changes bool
	}{
		{"labels of a template", template, label, true},
		{"annotations of a template", template, annotation("example.com/a"), true},
		{"kubectl's annotation, which templates do not see", template, annotation(corev1.LastAppliedConfigAnnotation), false},
		{"the status of a template", template, func(object client.Object) {
			object.(*dispatcherv1alpha1.JobTemplate).Status.ObservedGeneration = 1
		}, false},
		{"labels of a namespace, as for Pod Security", namespace, label, true},
		{"annotations of a namespace", namespace, annotation("example.com/a"), false},
		{"the phase of a namespace", namespace, func(object client.Object) {
			object.(*corev1.Namespace).Status.Phase = corev1.NamespaceTerminating
		}, false},
		{"the limits of a quota", quota, func(object client.Object) {
			object.(*corev1.ResourceQuota).Spec.Hard = two
		}, true},
		{"the use of a quota", quota, func(object client.Object) {
			object.(*corev1.ResourceQuota).Status.Used = two
		}, false},
		{"labels of a quota", quota, label, false},
		{"a limit range", limits, func(object client.Object) {
			object.(*corev1.LimitRange).Spec.Limits = []corev1.LimitRangeItem{{Max: two}}
		}, true},
		{"labels of a limit range", limits, label, false},
	} {
		cache, changed := New(), test.object()
		before := Fingerprint(cache.transform(t, test.object()))
		test.change(changed)
		after := Fingerprint(cache.transform(t, changed))
		if before == "" || before != after != test.changes {
			t.Errorf("%s: from %q to %q", test.reason, before, after)
		}
	}
}

// Who reads a namespace in the cache sees what Pod Security enforces, and its fingerprint, however often it is stripped.
func TestPodSecurityLabelsAreKept(t *testing.T) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{
		"pod-security.kubernetes.io/enforce": "restricted", "kubernetes.io/metadata.name": "default",
	}}}
	cache := New()
	once := cache.transform(t, namespace)
	twice := cache.transform(t, once)
	if len(twice.GetLabels()) != 1 || twice.GetLabels()["pod-security.kubernetes.io/enforce"] != "restricted" ||
		Fingerprint(once) == "" || Fingerprint(once) != Fingerprint(twice) {
		t.Errorf("labels %v, from %q to %q", twice.GetLabels(), Fingerprint(once), Fingerprint(twice))
	}
}
