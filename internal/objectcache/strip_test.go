package objectcache

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// large is a text that no informer may keep.
var large = strings.Repeat("x", 64<<10)

// objectsOf returns an object of each kind. Users have filled whatever they may write.
func objectsOf(t *testing.T) map[string]client.Object {
	t.Helper()
	containers := []corev1.Container{{Name: "echo", Env: []corev1.EnvVar{{Name: "PAYLOAD", Value: large}}}}
	template := &dispatcherv1alpha1.JobTemplate{}
	template.Spec.SamplePayload = &large
	template.Status.Conditions = []metav1.Condition{
		{Type: dispatcherv1alpha1.ConditionReady, Status: metav1.ConditionFalse, Message: large}, {Type: "Other", Message: large},
	}
	template.Spec.JobTemplate.Spec.Template.Spec.Containers = containers
	job := &batchv1.Job{}
	job.Spec.Template.Spec.Containers = containers
	job.Spec.ManagedBy = &large
	job.Status.CompletedIndexes, job.Status.FailedIndexes = large, &large
	job.Status.Conditions = []batchv1.JobCondition{
		{Type: batchv1.JobFailed, Reason: large, Message: large}, {Type: "Other", Message: large},
	}
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: containers}}
	pod.Spec.SchedulerName = large
	pod.Status.Message, pod.Status.Reason = large, large
	pod.Status.Conditions = []corev1.PodCondition{
		{Type: corev1.PodScheduled, Reason: large, Message: large}, {Type: corev1.DisruptionTarget, Message: large},
		{Type: corev1.PodReadyToStartContainers, Message: large}, {Type: "Other", Message: large},
	}
	waits := &dispatcherv1alpha1.JobExecution{Spec: dispatcherv1alpha1.JobExecutionSpec{Payload: large}}
	runs := waits.DeepCopy()
	runs.Status.Job = &dispatcherv1alpha1.JobReference{Name: "run"}
	finished := waits.DeepCopy()
	finished.Status.Conditions = []metav1.Condition{
		{Type: dispatcherv1alpha1.ConditionSucceeded, Status: metav1.ConditionFalse},
	}
	objects := map[string]client.Object{
		"template": template, "waiting execution": waits, "execution with a Job": runs, "finished execution": finished,
		"Job": job, "pod": pod,
		"namespace":      &corev1.Namespace{},
		"resource quota": &corev1.ResourceQuota{Spec: corev1.ResourceQuotaSpec{Scopes: []corev1.ResourceQuotaScope{corev1.ResourceQuotaScope(large)}}},
		"limit range":    &corev1.LimitRange{Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{Type: corev1.LimitType(large)}}}},
	}
	for name, object := range objects {
		object.SetNamespace("default")
		object.SetName("run")
		object.SetUID(types.UID(name))
		fillMetadata(object)
	}
	return objects
}

// fillMetadata fills what users may write of the metadata, also in our own keys.
func fillMetadata(object client.Object) {
	values := map[string]string{
		corev1.LastAppliedConfigAnnotation:                 large,
		"example.com/large":                                large,
		dispatcherv1alpha1.LabelJobExecution:               large,
		dispatcherv1alpha1.LabelJobTemplate:                large,
		dispatcherv1alpha1.AnnotationReceivedAt:            large,
		dispatcherv1alpha1.AnnotationRequestID:             large,
		dispatcherv1alpha1.AnnotationJobTemplateUID:        large,
		dispatcherv1alpha1.AnnotationJobTemplateGeneration: large,
		dispatcherv1alpha1.AnnotationJobTTL:                large,
		dispatcherv1alpha1.AnnotationStartDeadline:         large,
		annotationIncomplete:                               large,
		annotationFingerprint:                              large,
	}
	for i := range 10_000 {
		values["example.com/"+strconv.Itoa(i)] = "x"
	}
	object.SetLabels(values)
	object.SetAnnotations(values)
	object.SetGenerateName(large)
	object.SetFinalizers([]string{"example.com/" + large})
	object.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: large}})
	object.SetOwnerReferences([]metav1.OwnerReference{
		{Name: large}, {Kind: "JobExecution", Name: large, Controller: new(true)},
	})
}

// transform returns what the informers keep of an object.
func (c *Cache) transform(t *testing.T, object client.Object) client.Object {
	t.Helper()
	var err error
	kept := any(object)
	switch object.(type) {
	case *dispatcherv1alpha1.JobTemplate:
		kept, err = c.stripTemplate(object)
	case *dispatcherv1alpha1.JobExecution:
		kept, err = c.stripExecution(object)
	case *batchv1.Job:
		kept, err = stripJob(object)
	case *corev1.Pod:
		kept, err = stripPod(object)
	case *corev1.Namespace:
		kept, err = stripNamespace(object)
	case *corev1.ResourceQuota:
		kept, err = stripQuota(object)
	case *corev1.LimitRange:
		kept, err = stripLimitRange(object)
	}
	if err != nil {
		t.Fatal(err)
	}
	return kept.(client.Object)
}

func TestInformersKeepLittleOfWhateverUsersStore(t *testing.T) {
	const most = 16 << 10
	for name, object := range objectsOf(t) {
		kept := New().transform(t, object)
		if weight := weightOf(kept); weight > most {
			t.Errorf("the informer keeps %d bytes of a %s, want at most %d", weight, name, most)
		}
		if kept.GetUID() != types.UID(name) || kept.GetNamespace() != "default" || kept.GetName() != "run" {
			t.Errorf("the informer does not know which %s it keeps: %v", name, kept)
		}
	}
}

// An informer strips what it was first given, and then strips it again.
func TestStripTwice(t *testing.T) {
	for name, object := range objectsOf(t) {
		cache := New()
		once := cache.transform(t, object)
		want := once.DeepCopyObject()
		if diff := cmp.Diff(want, any(cache.transform(t, once))); diff != "" {
			t.Errorf("%s (-once +twice):\n%s", name, diff)
		}
		if _, ok := object.(*dispatcherv1alpha1.JobTemplate); !ok {
			continue
		}
		if whole, ok := cache.templates.get(object.GetUID()); !ok || len(whole.Spec.JobTemplate.Spec.Template.Spec.Containers) == 0 {
			t.Errorf("the whole %s is kept: %v, %v", name, ok, whole)
		}
	}
}

func TestByObject(t *testing.T) {
	selected := 0
	for object, options := range New().ByObject() {
		fillMetadata(object)
		kept, err := options.Transform(object)
		if err != nil || kept.(client.Object).GetManagedFields() != nil {
			t.Errorf("%T keeps its managed fields (error %v)", object, err)
		}
		if other, err := options.Transform(&corev1.Secret{}); err != nil || other == nil {
			t.Errorf("%T: what is of another kind became %v (error %v)", object, other, err)
		}
		if options.Label == nil {
			continue
		}
		selected++
		if !options.Label.Matches(labels.Set{dispatcherv1alpha1.LabelJobExecution: "run"}) {
			t.Errorf("the cache lacks each %T of an execution", object)
		}
		if options.Label.Matches(labels.Set{"app": "something"}) {
			t.Errorf("the cache holds each %T of others", object)
		}
	}
	if selected != 2 {
		t.Errorf("%d kinds are selected by label, want Jobs and pods", selected)
	}
}

// A payload is available for as long as a Job may have to be made of it: a small one in the informer.
func TestStripExecution(t *testing.T) {
	withJob := func(e *dispatcherv1alpha1.JobExecution) {
		e.Status.Job = &dispatcherv1alpha1.JobReference{Name: "run", UID: "1"}
	}
	finished := func(e *dispatcherv1alpha1.JobExecution) {
		e.Status.Conditions = []metav1.Condition{
			{Type: dispatcherv1alpha1.ConditionSucceeded, Status: metav1.ConditionTrue},
		}
	}
	named := func(e *dispatcherv1alpha1.JobExecution) { e.Status.JobName = "named" }
	marked := func(e *dispatcherv1alpha1.JobExecution) { e.Annotations[annotationIncomplete] = "by hand" }
	small, tooLarge := strings.Repeat("x", smallPayload), strings.Repeat("x", smallPayload+1)
	for _, test := range []struct {
		reason   string
		payload  string
		change   func(*dispatcherv1alpha1.JobExecution)
		inside   bool // The informer keeps the payload.
		inMemory bool // The Cache does.
	}{
		{"it waits for its Job", small, nil, true, false},
		{"it waits for its Job, with a large payload", tooLarge, nil, false, true},
		{"its template named the Job, which is not known to exist", small, named, true, false},
		{"its template named the Job, which is not known to exist", tooLarge, named, false, true},
		{"its Job is known: if that is gone, no other is made", small, withJob, false, false},
		{"its Job is known: if that is gone, no other is made", tooLarge, withJob, false, false},
		{"it has finished", small, finished, false, false},
		{"a user has set our annotation", small, marked, true, false},
		{"a user has set our annotation", tooLarge, marked, false, true},
		{"it has no payload", "", nil, true, false},
		{"it has finished without a payload", "", finished, true, false},
	} {
		execution := &dispatcherv1alpha1.JobExecution{}
		execution.UID, execution.Spec.JobTemplateName, execution.Spec.Payload = "1", "hello", test.payload
		execution.Labels = map[string]string{dispatcherv1alpha1.LabelJobTemplate: "hello", "team": "data"}
		execution.Annotations = map[string]string{dispatcherv1alpha1.AnnotationReceivedAt: "now", "example.com/a": "b"}
		want := execution.DeepCopy()
		want.Labels = map[string]string{dispatcherv1alpha1.LabelJobTemplate: "hello"}
		want.Annotations = map[string]string{dispatcherv1alpha1.AnnotationReceivedAt: "now"}
		if !test.inside {
			want.Spec.Payload = ""
			want.Annotations[annotationIncomplete] = "payload"
		}
		if test.change != nil {
			test.change(execution)
			want.Status = execution.Status
		}
		cache := New()
		cache.payloads.put("1", "of before", 9)
		if test.inside {
			cache.payloads.remove("1")
		}
		kept := cache.transform(t, execution)
		if diff := cmp.Diff(want, kept); diff != "" {
			t.Errorf("%s, %d bytes (-want +got):\n%s", test.reason, len(test.payload), diff)
		}
		payload, ok := cache.payloads.get("1")
		if ok != test.inMemory || ok && payload != test.payload {
			t.Errorf("%s, %d bytes: in memory %v, want %v", test.reason, len(test.payload), ok, test.inMemory)
		}
	}
}

func TestTextsAreCutBetweenCharacters(t *testing.T) {
	for text, want := range map[string]string{"": "", "abc": "abc", "abcd": "abc", "abé": "ab", "éé": "é"} {
		if got := upTo(3, text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}
