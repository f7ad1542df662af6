package objectcache

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	podsecurity "k8s.io/pod-security-admission/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// annotationFingerprint has a hash of what an informer has left out and somebody needs to know the changes of.
const annotationFingerprint = "dispatcher.ivan.vc/fingerprint"

// Fingerprint returns a text that changes with the labels and annotations of a JobTemplate, with the labels of a
// namespace, and with the spec of a ResourceQuota or a LimitRange. It is empty for other objects.
func Fingerprint(object client.Object) string { return object.GetAnnotations()[annotationFingerprint] }

// setFingerprint sets the fingerprint of a part that stripped has left out.
func setFingerprint(stripped client.Object, part any) {
	hash := sha256.New()
	if err := json.NewEncoder(hash).Encode(part); err != nil {
		panic(err) // Labels and specs can be encoded: they were decoded.
	}
	annotate(stripped, hex.EncodeToString(hash.Sum(nil)[:16]))
}

// keepFingerprint sets the fingerprint that an object has which was stripped before.
func keepFingerprint(stripped, object client.Object) {
	if kept := only(object.GetAnnotations(), annotationFingerprint); kept != nil {
		annotate(stripped, kept[annotationFingerprint])
	}
}

func annotate(stripped client.Object, fingerprint string) {
	annotations := stripped.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[annotationFingerprint] = fingerprint
	stripped.SetAnnotations(annotations)
}

// stripNamespace keeps the labels that say which pods Pod Security refuses, and the fingerprint of all labels.
func stripNamespace(object any) (any, error) {
	namespace, ok := object.(*corev1.Namespace)
	if !ok {
		return object, nil
	}
	stripped := &corev1.Namespace{TypeMeta: namespace.TypeMeta, ObjectMeta: identity(namespace.ObjectMeta)}
	stripped.Labels = only(namespace.Labels, podsecurity.EnforceLevelLabel, podsecurity.EnforceVersionLabel)
	// An API server gives every namespace another label.
	fingerprint(stripped, namespace, len(namespace.Labels) == len(stripped.Labels), namespace.Labels)
	return stripped, nil
}

// stripQuota keeps the fingerprint of the spec. The status changes with each object that the quota counts.
func stripQuota(object any) (any, error) {
	quota, ok := object.(*corev1.ResourceQuota)
	if !ok {
		return object, nil
	}
	stripped := &corev1.ResourceQuota{TypeMeta: quota.TypeMeta, ObjectMeta: identity(quota.ObjectMeta)}
	spec := quota.Spec
	fingerprint(stripped, quota, len(spec.Hard)+len(spec.Scopes) == 0 && spec.ScopeSelector == nil, spec)
	return stripped, nil
}

// stripLimitRange keeps the fingerprint of the spec.
func stripLimitRange(object any) (any, error) {
	limits, ok := object.(*corev1.LimitRange)
	if !ok {
		return object, nil
	}
	stripped := &corev1.LimitRange{TypeMeta: limits.TypeMeta, ObjectMeta: identity(limits.ObjectMeta)}
	fingerprint(stripped, limits, len(limits.Spec.Limits) == 0, limits.Spec)
	return stripped, nil
}

// fingerprint sets the fingerprint of part, which is empty if object was stripped before.
func fingerprint(stripped, object client.Object, empty bool, part any) {
	if empty && Fingerprint(object) != "" {
		keepFingerprint(stripped, object)
		return
	}
	setFingerprint(stripped, part)
}
