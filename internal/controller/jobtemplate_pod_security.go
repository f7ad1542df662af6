package controller

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	podsecurity "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// podSecurity tells which Jobs make pods that Pod Security refuses. The API server refuses the pods and not the Job, so
// that a dry run of the Job does not tell. The checks are those of the API server. What its configuration file says is
// not known here: levels for namespaces without labels, and exemptions.
type podSecurity struct{ evaluator policy.Evaluator }

func newPodSecurity() podSecurity {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		panic(err) // The checks are constants.
	}
	return podSecurity{evaluator}
}

// refusal returns what Pod Security has against the pods of a Job in a namespace with these labels, or nothing.
func (p podSecurity) refusal(namespaceLabels map[string]string, job *batchv1.Job) string {
	privileged := podsecurity.LevelVersion{Level: podsecurity.LevelPrivileged, Version: podsecurity.LatestVersion()}
	// As in the API server, a label that cannot be read means the level restricted.
	levels, _ := podsecurity.PolicyToEvaluate(namespaceLabels,
		podsecurity.Policy{Enforce: privileged, Audit: privileged, Warn: privileged})
	pods := &job.Spec.Template
	checked := policy.AggregateCheckResults(p.evaluator.EvaluatePod(levels.Enforce, &pods.ObjectMeta, &pods.Spec))
	if checked.Allowed {
		return ""
	}
	return fmt.Sprintf("violates PodSecurity %q: %s", levels.Enforce.String(), checked.ForbiddenDetail())
}

// checkPods returns the readiness of a template whose Job would be created. It is ready unless the namespace forbids
// the pods of the Job.
func (r *templateReconciler) checkPods(ctx context.Context, job *batchv1.Job) (*readiness, error) {
	namespace := &corev1.Namespace{}
	if err := r.client.Get(ctx, client.ObjectKey{Name: job.Namespace}, namespace); err != nil {
		return nil, fmt.Errorf("reading the labels of the namespace: %w", err)
	}
	refused := r.podSecurity.refusal(namespace.Labels, job)
	if refused == "" {
		return accepted(), nil
	}
	return &readiness{
		reason: dispatcherv1alpha1.ReasonJobForbidden,
		message: fmt.Sprintf("the namespace forbids the pods of the Job: %s; correct the JobTemplate or the namespace",
			truncated(refused)),
	}, nil
}
