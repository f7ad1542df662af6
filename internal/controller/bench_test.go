package controller

import (
	"context"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/leader"
	"dispatcher.ivan.vc/internal/objectcache"
	"dispatcher.ivan.vc/internal/render"
)

// benchmarkAPI answers at once, so that what is measured is the reconciler's own part. A fake client takes longer than
// all of that.
type benchmarkAPI struct {
	client.Client
	template  *dispatcherv1alpha1.JobTemplate
	execution *dispatcherv1alpha1.JobExecution
	job       *batchv1.Job
}

func (a *benchmarkAPI) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	switch object := object.(type) {
	case *dispatcherv1alpha1.JobTemplate:
		a.template.DeepCopyInto(object)
		return nil
	case *dispatcherv1alpha1.JobExecution:
		a.execution.DeepCopyInto(object)
		return nil
	}
	return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
}

func (a *benchmarkAPI) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	if jobs, ok := list.(*batchv1.JobList); ok && a.job != nil {
		jobs.Items = []batchv1.Job{*a.job.DeepCopy()}
	}
	return nil
}

func (a *benchmarkAPI) Create(_ context.Context, object client.Object, _ ...client.CreateOption) error {
	object.SetUID("job")
	return nil
}

func (a *benchmarkAPI) Status() client.SubResourceWriter { return benchmarkStatus{} }

type benchmarkStatus struct{ client.SubResourceWriter }

// Patch computes the patch, as every client does.
func (benchmarkStatus) Patch(
	_ context.Context, object client.Object, patch client.Patch, _ ...client.SubResourcePatchOption,
) error {
	_, err := patch.Data(object)
	return err
}

// BenchmarkReconcile takes each step of an execution over and over, without an API server.
func BenchmarkReconcile(b *testing.B) {
	created := metav1.NewTime(testTime.Add(-time.Second))
	template := &dispatcherv1alpha1.JobTemplate{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "sample", UID: "template", Generation: 1},
	}
	template.Spec.JobTemplate.Spec.Template.Spec = corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever,
		Containers: []corev1.Container{{
			Name: "main", Image: "alpine", Command: []string{"echo", "$(PAYLOAD)"},
			Env: []corev1.EnvVar{{Name: "PAYLOAD", Value: "{{ .Payload }}"}},
		}},
	}
	fresh := &dispatcherv1alpha1.JobExecution{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:         testKey.Namespace,
			Name:              testKey.Name,
			UID:               "execution",
			ResourceVersion:   "1",
			Generation:        1,
			CreationTimestamp: created,
		},
		Spec: dispatcherv1alpha1.JobExecutionSpec{JobTemplateName: "sample", Payload: "my test payload"},
	}
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: testKey.Namespace, Name: testKey.Name, UID: "job", CreationTimestamp: created,
			OwnerReferences: []metav1.OwnerReference{
				*metav1.NewControllerRef(fresh, dispatcherv1alpha1.GroupVersion.WithKind("JobExecution")),
			},
		},
		Status: batchv1.JobStatus{Active: 1, StartTime: &created},
	}
	running := fresh.DeepCopy()
	running.Status = deriveStatus(fresh, job, podSummary{active: true})
	finished := fresh.DeepCopy()
	finished.Spec.TTLSecondsAfterFinished = new(int32(3600))
	finished.Status = failedStatus(fresh, nil, &terminalError{reason: dispatcherv1alpha1.ReasonJobDeleted}, testTime)

	for _, step := range []struct {
		name      string
		execution *dispatcherv1alpha1.JobExecution
		job       *batchv1.Job
	}{
		{"creates the Job", fresh, nil},
		{"writes that it runs", fresh, job},
		{"has nothing to do", running, job},
		{"has finished", finished, nil},
	} {
		b.Run(step.name, func(b *testing.B) {
			api := &benchmarkAPI{template: template, execution: step.execution, job: step.job}
			clock := clocktesting.NewFakePassiveClock(testTime)
			r := newReconciler(
				api, api, objectcache.New(), render.NewDirect(16), &events.FakeRecorder{}, clock, leader.Alone(testTime.Add(-time.Hour)),
			)
			b.ReportAllocs()
			for b.Loop() {
				r.startedJobs.byExecution.Clear() // So that each time is the first.
				if _, err := r.Reconcile(b.Context(), ctrl.Request{NamespacedName: testKey}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
