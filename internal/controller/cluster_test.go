package controller

import (
	"context"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/managedfields"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/leader"
	"dispatcher.ivan.vc/internal/objectcache"
	"dispatcher.ivan.vc/internal/render"
)

var (
	testTime = time.Date(2030, time.March, 4, 5, 6, 7, 0, time.UTC)
	testKey  = types.NamespacedName{Namespace: "default", Name: "run"}
)

// cluster is an API server and a cache that shows it as it was at the last sync. It stands for the two only where what
// counts is which calls the reconciler makes, and what it does when they disagree or fail.
type cluster struct {
	t          *testing.T
	reconciler *reconciler
	clock      *clocktesting.FakePassiveClock
	recorder   *events.FakeRecorder

	server  client.WithWatch
	cache   client.WithWatch
	objects *objectcache.Cache

	// calls are the calls that reached the server, like "create Job" or "get JobExecution".
	calls []string
	// createError is what the server answers to the creation of a Job.
	createError error
	// answers are what the server answers to calls instead of carrying them out.
	answers map[string]error
	// deletions are the options of the executions' deletions.
	deletions []client.DeleteOptions
}

// newCluster returns a cluster whose cache is in sync, with a reconciler that has led for long.
func newCluster(t *testing.T, objects ...client.Object) *cluster {
	t.Helper()
	c := newLaggingCluster(t, store(objects...), nil)
	c.sync()
	return c
}

// newLaggingCluster returns a cluster whose cache shows something else than its server has.
func newLaggingCluster(t *testing.T, server, cache client.WithWatch) *cluster {
	t.Helper()
	c := &cluster{
		t:        t,
		clock:    clocktesting.NewFakePassiveClock(testTime),
		recorder: events.NewFakeRecorder(100),
		server:   server,
		cache:    cache,
		objects:  objectcache.New(),
	}
	cached, live := c.clients()
	c.reconciler = newReconciler(
		cached, live, c.objects, render.NewDirect(16), c.recorder, c.clock, leader.Alone(testTime.Add(-time.Hour)),
	)
	return c
}

// clients returns the reconciler's two clients.
func (c *cluster) clients() (cached, live client.WithWatch) {
	cached = interceptor.NewClient(c.server, interceptor.Funcs{
		Get: func(ctx context.Context, _ client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			return c.cache.Get(ctx, key, object, options...)
		},
		List: func(ctx context.Context, _ client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			return c.cache.List(ctx, list, options...)
		},
		Create: c.create,
		Patch: func(ctx context.Context, server client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			if err := c.called("patch", object); err != nil {
				return err
			}
			return server.Patch(ctx, object, patch, options...)
		},
		Delete: func(ctx context.Context, server client.WithWatch, object client.Object, options ...client.DeleteOption) error {
			if err := c.called("delete", object); err != nil {
				return err
			}
			c.deletions = append(c.deletions, *(&client.DeleteOptions{}).ApplyOptions(options))
			return server.Delete(ctx, object, options...)
		},
		SubResourcePatch: func(ctx context.Context, server client.Client, name string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			if err := c.called("patch "+name+" of", object); err != nil {
				return err
			}
			return server.SubResource(name).Patch(ctx, object, patch, options...)
		},
	})
	live = interceptor.NewClient(c.server, interceptor.Funcs{
		Get: func(ctx context.Context, server client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if err := c.called("get", object); err != nil {
				return err
			}
			return server.Get(ctx, key, object, options...)
		},
		List: func(ctx context.Context, server client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if err := c.called("list", list); err != nil {
				return err
			}
			return server.List(ctx, list, options...)
		},
	})
	return cached, live
}

// schemes are that of Kubernetes' kinds and that of all kinds, of those alone that the controller works with: the fake
// goes through a whole scheme at each write.
var schemes = sync.OnceValues(func() (kubernetes, all *runtime.Scheme) {
	kubernetes, all = runtime.NewScheme(), runtime.NewScheme()
	for _, scheme := range []*runtime.Scheme{kubernetes, all} {
		utilruntime.Must(batchv1.AddToScheme(scheme))
		utilruntime.Must(corev1.AddToScheme(scheme))
		utilruntime.Must(eventsv1.AddToScheme(scheme))
	}
	utilruntime.Must(dispatcherv1alpha1.AddToScheme(all))
	return kubernetes, all
})

// typeConverters are the fake's own, which it would make for each store.
var typeConverters = sync.OnceValue(func() []managedfields.TypeConverter {
	kubernetes, _ := schemes()
	return []managedfields.TypeConverter{
		applyconfigurations.NewTypeConverter(kubernetes), managedfields.NewDeducedTypeConverter(),
	}
})

func store(objects ...client.Object) client.WithWatch {
	_, scheme := schemes()
	return fake.NewClientBuilder().WithScheme(scheme).WithTypeConverters(typeConverters()...).WithObjects(objects...).
		WithStatusSubresource(&dispatcherv1alpha1.JobExecution{}, &dispatcherv1alpha1.JobTemplate{}, &batchv1.Job{}).
		WithIndex(&batchv1.Job{}, byExecution, executionNames).
		WithIndex(&corev1.Pod{}, byExecution, executionNames).
		WithIndex(&eventsv1.Event{}, "regarding.uid", func(object client.Object) []string {
			return []string{string(object.(*eventsv1.Event).Regarding.UID)}
		}).Build()
}

// called notes a call, and returns what the server answers instead of carrying it out, or nil.
func (c *cluster) called(verb string, object runtime.Object) error {
	kind := strings.TrimPrefix(fmt.Sprintf("%T", object), "*")
	call := verb + " " + kind[strings.Index(kind, ".")+1:]
	c.calls = append(c.calls, call)
	return c.answers[call]
}

func (c *cluster) create(
	ctx context.Context, server client.WithWatch, object client.Object, options ...client.CreateOption,
) error {
	if err := c.called("create", object); err != nil {
		return err
	}
	if c.createError != nil {
		return c.createError
	}
	object.SetUID(types.UID("uid-of-" + object.GetName()))
	object.SetCreationTimestamp(metav1.NewTime(c.clock.Now()))
	return server.Create(ctx, object, options...)
}

// sync brings everything that the server has into the cache.
func (c *cluster) sync() {
	c.t.Helper()
	var objects []client.Object
	var templates dispatcherv1alpha1.JobTemplateList
	var executions dispatcherv1alpha1.JobExecutionList
	var jobs batchv1.JobList
	var pods corev1.PodList
	for _, list := range []client.ObjectList{&templates, &executions, &jobs, &pods} {
		if err := c.server.List(c.t.Context(), list); err != nil {
			c.t.Fatal(err)
		}
	}
	for i := range templates.Items {
		objects = append(objects, &templates.Items[i])
	}
	for i := range executions.Items {
		objects = append(objects, &executions.Items[i])
	}
	for i := range jobs.Items {
		if _, ok := jobs.Items[i].Labels[dispatcherv1alpha1.LabelJobExecution]; ok {
			objects = append(objects, &jobs.Items[i])
		}
	}
	for i := range pods.Items {
		objects = append(objects, &pods.Items[i])
	}
	c.cache = store(transformed(c.t, c.objects, objects)...)
}

// transformed returns the objects as the cache keeps them.
func transformed(t *testing.T, cache *objectcache.Cache, objects []client.Object) []client.Object {
	t.Helper()
	kept := make([]client.Object, 0, len(objects))
	for _, object := range objects {
		for kind, options := range cache.ByObject() {
			if reflect.TypeOf(kind) != reflect.TypeOf(object) {
				continue
			}
			transformed, err := options.Transform(object)
			if err != nil {
				t.Fatal(err)
			}
			// The fake does not take what is being deleted without a finalizer.
			transformed.(client.Object).SetFinalizers(object.GetFinalizers())
			kept = append(kept, transformed.(client.Object))
		}
	}
	return kept
}

// reconcile calls the reconciler once and returns the calls that it made.
func (c *cluster) reconcile() (ctrl.Result, []string, error) {
	c.calls = nil
	result, err := c.reconciler.Reconcile(c.t.Context(), ctrl.Request{NamespacedName: testKey})
	return result, c.calls, err
}

// stepUnseen calls the reconciler once, wants no error, and leaves the cache behind.
func (c *cluster) stepUnseen() []string {
	c.t.Helper()
	_, calls, err := c.reconcile()
	if err != nil {
		c.t.Fatalf("reconcile: %v", err)
	}
	return calls
}

// step calls the reconciler once, wants no error, and brings the cache up to date.
func (c *cluster) step() []string {
	c.t.Helper()
	calls := c.stepUnseen()
	c.sync()
	return calls
}

// execution returns what the server has, or nil.
func (c *cluster) execution() *dispatcherv1alpha1.JobExecution {
	c.t.Helper()
	execution, err := getExecution(c.t.Context(), c.server, testKey)
	if err != nil {
		c.t.Fatal(err)
	}
	return execution
}

// summary returns the Succeeded condition on the server.
func (c *cluster) summary() metav1.Condition {
	c.t.Helper()
	execution := c.execution()
	if execution == nil {
		c.t.Fatal("the execution is gone")
	}
	return execution.Summary()
}

// jobs returns the names of the server's Jobs.
func (c *cluster) jobs() []string {
	c.t.Helper()
	var jobs batchv1.JobList
	if err := c.server.List(c.t.Context(), &jobs); err != nil {
		c.t.Fatal(err)
	}
	names := []string{}
	for _, job := range jobs.Items {
		names = append(names, job.Name)
	}
	return names
}

// events returns the type and reason of every event so far.
func (c *cluster) events() []string {
	all := []string{}
	for len(c.recorder.Events) > 0 {
		parts := strings.SplitN(<-c.recorder.Events, " ", 3)
		all = append(all, parts[0]+" "+parts[1])
	}
	return all
}

// setJob changes the Job on the server, as the Job controller or a user would.
func (c *cluster) setJob(change func(*batchv1.Job)) {
	c.t.Helper()
	job := &batchv1.Job{}
	if err := c.server.Get(c.t.Context(), testKey, job); err != nil {
		c.t.Fatal(err)
	}
	changed := job.DeepCopy()
	change(changed)
	status := changed.DeepCopy()
	if err := c.server.Patch(c.t.Context(), changed, client.MergeFrom(job)); err != nil {
		c.t.Fatal(err)
	}
	if err := c.server.Status().Patch(c.t.Context(), status, client.MergeFrom(job)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) delete(object client.Object) {
	c.t.Helper()
	if err := c.server.Delete(c.t.Context(), object); err != nil {
		c.t.Fatal(err)
	}
}

// newExecution returns an execution as the API server has it just after it was created.
func newExecution(changes ...func(*dispatcherv1alpha1.JobExecution)) *dispatcherv1alpha1.JobExecution {
	execution := &dispatcherv1alpha1.JobExecution{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:         testKey.Namespace,
			Name:              testKey.Name,
			UID:               "uid-of-execution",
			Generation:        1,
			CreationTimestamp: metav1.NewTime(testTime),
		},
		Spec: dispatcherv1alpha1.JobExecutionSpec{JobTemplateName: "hello", Payload: "world"},
		Status: dispatcherv1alpha1.JobExecutionStatus{Conditions: []metav1.Condition{{
			Type:    dispatcherv1alpha1.ConditionSucceeded,
			Status:  metav1.ConditionUnknown,
			Reason:  dispatcherv1alpha1.ReasonWaiting,
			Message: "waiting for the controller",
		}, {
			Type:    dispatcherv1alpha1.ConditionReconciling,
			Status:  metav1.ConditionTrue,
			Reason:  dispatcherv1alpha1.ReasonWaiting,
			Message: "waiting for the controller",
		}}},
	}
	for _, change := range changes {
		change(execution)
	}
	return execution
}

func newTemplate(changes ...func(*dispatcherv1alpha1.JobTemplate)) *dispatcherv1alpha1.JobTemplate {
	template := &dispatcherv1alpha1.JobTemplate{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:  testKey.Namespace,
			Name:       "hello",
			UID:        "uid-of-template",
			Generation: 1,
		},
	}
	template.Spec.JobTemplate.Spec.Template.Spec = corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever,
		Containers:    []corev1.Container{{Name: "hello", Image: "alpine", Args: []string{"{{ .Payload }}"}}},
	}
	for _, change := range changes {
		change(template)
	}
	return template
}

// broken makes a template that does not render.
func broken(template *dispatcherv1alpha1.JobTemplate) {
	template.Generation = 2
	template.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Args = []string{`{{ fail "no" }}`}
}

// newJob returns the Job of newExecution as the API server has it just after it was created.
func newJob(changes ...func(*batchv1.Job)) *batchv1.Job {
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:         testKey.Namespace,
			Name:              testKey.Name,
			UID:               "uid-of-run",
			CreationTimestamp: metav1.NewTime(testTime),
			Labels:            map[string]string{dispatcherv1alpha1.LabelJobExecution: testKey.Name},
			Annotations: map[string]string{
				dispatcherv1alpha1.AnnotationJobTemplateUID:        "uid-of-template",
				dispatcherv1alpha1.AnnotationJobTemplateGeneration: "1",
			},
			OwnerReferences: []metav1.OwnerReference{
				*metav1.NewControllerRef(newExecution(), dispatcherv1alpha1.GroupVersion.WithKind("JobExecution")),
			},
		},
	}
	for _, change := range changes {
		change(job)
	}
	return job
}

// The states of a Job, as changes to newJob.

func active(job *batchv1.Job) {
	job.Status.StartTime = new(at(1))
	job.Status.Active = 1
}

func complete(job *batchv1.Job) {
	active(job)
	job.Status.Active = 0
	job.Status.CompletionTime = new(at(31))
	job.Status.Conditions = append(
		job.Status.Conditions,
		batchv1.JobCondition{Type: batchv1.JobComplete, Status: corev1.ConditionTrue, LastTransitionTime: at(31)},
	)
}

func failed(reason string) func(*batchv1.Job) {
	return func(job *batchv1.Job) {
		active(job)
		job.Status.Active = 0
		job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{
			Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: reason, Message: "it went wrong", LastTransitionTime: at(31),
		})
	}
}

// newPod returns the pod of newJob, whose container runs.
func newPod(changes ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:         testKey.Namespace,
			Name:              "run-x",
			UID:               "uid-of-pod",
			CreationTimestamp: at(1),
			Labels:            map[string]string{dispatcherv1alpha1.LabelJobExecution: testKey.Name},
			OwnerReferences: []metav1.OwnerReference{
				*metav1.NewControllerRef(newJob(), batchv1.SchemeGroupVersion.WithKind("Job")),
			},
		},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning,
			ContainerStatuses: []corev1.ContainerStatus{{
				Name:  "hello",
				State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at(2)}},
			}},
		},
	}
	for _, change := range changes {
		change(pod)
	}
	return pod
}

// The states of a pod, as changes to newPod.

// exited makes a pod whose container has ended some seconds after testTime, and with it the pod.
func exited(code int32, reason, message string, seconds int) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Status.Phase = corev1.PodSucceeded
		if code != 0 {
			pod.Status.Phase = corev1.PodFailed
		}
		pod.Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: code, Reason: reason, Message: message, FinishedAt: at(seconds),
		}}
	}
}

// stuck makes a pod whose container waits for a reason of the kubelet's.
func stuck(reason, message string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Status.Phase = corev1.PodPending
		pod.Status.ContainerStatuses[0].State = corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message},
		}
	}
}

// unschedulable makes a pod that the scheduler finds no node for.
func unschedulable(message string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Status = corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: message, LastTransitionTime: at(3),
		}}}
	}
}

// stopped makes a pod that somebody deleted 9 seconds after testTime, with a grace period.
func stopped(pod *corev1.Pod) {
	pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = new(at(9+30)), new(int64(30))
	pod.Finalizers = []string{batchv1.JobTrackingFinalizer}
}

func podNamed(name string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { pod.Name, pod.UID = name, types.UID("uid-of-"+name) }
}

func suspended(job *batchv1.Job) { job.Spec.Suspend = new(true) }

// withTTL makes a Job whose template sets a TTL.
func withTTL(seconds int) func(*batchv1.Job) {
	return func(job *batchv1.Job) {
		job.Annotations[dispatcherv1alpha1.AnnotationJobTTL] = strconv.Itoa(seconds)
		job.Spec.TTLSecondsAfterFinished = new(int32(dispatcherv1alpha1.MinJobTTLSeconds))
	}
}

func withoutPods(job *batchv1.Job) { job.Spec.Parallelism = new(int32(0)) }

// finalized makes a Job that stays for a while when it is deleted.
func finalized(job *batchv1.Job) { job.Finalizers = append(job.Finalizers, "example.com/other") }

func deleting(job *batchv1.Job) { job.DeletionTimestamp = new(at(20)) }

// at returns the time that is some seconds after testTime.
func at(seconds int) metav1.Time {
	return metav1.NewTime(testTime.Add(time.Duration(seconds) * time.Second))
}

// make creates an object on the server, as somebody else would.
func (c *cluster) make(object client.Object) {
	c.t.Helper()
	if err := c.server.Create(c.t.Context(), object); err != nil {
		c.t.Fatal(err)
	}
}

// setStatus stores the status of an execution on the server, as another process would.
func (c *cluster) setStatus(execution *dispatcherv1alpha1.JobExecution) {
	c.t.Helper()
	if err := c.server.Status().Update(c.t.Context(), execution); err != nil {
		c.t.Fatal(err)
	}
}
