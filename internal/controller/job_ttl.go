package controller

import (
	"context"
	"fmt"
	"strconv"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=patch

// restoreJobTTL gives a Job whose outcome is in the status the ttlSecondsAfterFinished of its template. Until then it
// has a longer one, so that it is not deleted before its outcome was seen. A TTL that somebody has changed is left
// alone.
func (r *reconciler) restoreJobTTL(ctx context.Context, job *batchv1.Job) error {
	seconds, err := strconv.ParseInt(job.Annotations[dispatcherv1alpha1.AnnotationJobTTL], 10, 32)
	raised := ptr.Deref(job.Spec.TTLSecondsAfterFinished, 0) == dispatcherv1alpha1.MinJobTTLSeconds
	if err != nil || seconds < 0 || !raised || !job.DeletionTimestamp.IsZero() {
		return nil
	}
	// The cached Job lacks annotations of others, which a patch made from it might remove. The resourceVersion keeps the
	// patch from another Job of this name.
	patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil,
		`{"metadata":{"resourceVersion":%q,"annotations":{%q:null}},"spec":{"ttlSecondsAfterFinished":%d}}`,
		job.ResourceVersion, dispatcherv1alpha1.AnnotationJobTTL, seconds,
	))
	if err := r.client.Patch(ctx, job.DeepCopy(), patch); err != nil {
		return jobNamed(job.Name).writeFailed("restoring the TTL of Job "+job.Name, err)
	}
	return nil
}
