package faults

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/types"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// execution is what became of a JobExecution that there ever was.
type execution struct {
	name, request, template string
	payload                 string // digest
	finished, succeeded     bool
	reason, message         string
	job                     types.UID // as its status has it
	deleted, hasTTL         bool
	created                 time.Time // when it was seen first, as that of a Job
	expires, deletedAt      time.Time // expires is zero where that is not known, or at once
}

// job is what became of a Job that there ever was.
type job struct {
	name             string
	owner            types.UID // its controller
	payload          string    // digest of what its container is given, "" if it is given none
	complete, failed bool
	// going is true when it was deleted, and the garbage collector is to remove it. That one tries again after up to
	// a quarter of an hour where the API server failed it.
	going, deleted bool
	created        time.Time
}

// history is all that ever happened to the executions and Jobs of the namespace.
type history struct {
	mu         sync.Mutex
	executions map[types.UID]*execution
	jobs       map[types.UID]*job
	uids       map[string]types.UID // by key, of what is there now
	unstable   []string             // what should never change and did
	err        error

	protobuf runtime.Decoder
}

func newHistory(scheme *runtime.Scheme) *history {
	return &history{
		executions: map[types.UID]*execution{}, jobs: map[types.UID]*job{}, uids: map[string]types.UID{},
		protobuf: protobuf.NewSerializer(scheme, scheme),
	}
}

// recordExecution takes an event of an execution.
func (h *history) recordExecution(e event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.deleted {
		gone := h.executions[h.uids[e.key]]
		gone.deleted, gone.deletedAt = true, time.Now()
		delete(h.uids, e.key)
		return
	}
	stored := &dispatcherv1alpha1.JobExecution{}
	if err := json.Unmarshal(e.value, stored); err != nil {
		h.err = fmt.Errorf("reading an execution from etcd: %w", err)
		return
	}
	h.uids[e.key] = stored.UID
	seen := h.executions[stored.UID]
	if seen == nil {
		seen = &execution{
			name: stored.Name, request: stored.Annotations[dispatcherv1alpha1.AnnotationRequestID],
			template: stored.Spec.JobTemplateName, payload: digest(stored.Spec.Payload), created: time.Now(),
		}
		h.executions[stored.UID] = seen
	}
	h.update(seen, stored)
}

// update takes over a status, and notes what it changed that must not change.
func (h *history) update(seen *execution, stored *dispatcherv1alpha1.JobExecution) {
	if reference := stored.Status.Job; reference != nil {
		if seen.job != "" && seen.job != reference.UID {
			h.unstable = append(h.unstable, fmt.Sprintf("execution %s: its status names another Job than before",
				seen.name))
		}
		seen.job = reference.UID
	}
	summary := stored.Summary()
	if seen.finished && (!stored.IsFinished() || seen.reason != summary.Reason) {
		h.unstable = append(h.unstable, fmt.Sprintf("execution %s: it had ended with %s, and then became %s", seen.name,
			seen.reason, summary.Reason))
	}
	seen.finished = stored.IsFinished()
	seen.succeeded = summary.Status == metav1.ConditionTrue
	seen.reason, seen.message = summary.Reason, summary.Message
	seen.hasTTL = stored.Spec.TTLSecondsAfterFinished != nil
	if ttl := stored.Spec.TTLSecondsAfterFinished; seen.finished && ttl != nil && *ttl > 0 {
		seen.expires = stored.Status.CompletionTime.Add(time.Duration(*ttl) * time.Second)
	}
}

// recordJob takes an event of a Job.
func (h *history) recordJob(e event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.deleted {
		h.jobs[h.uids[e.key]].deleted = true
		delete(h.uids, e.key)
		return
	}
	stored := &batchv1.Job{}
	if _, _, err := h.protobuf.Decode(e.value, nil, stored); err != nil {
		h.err = fmt.Errorf("reading a Job from etcd: %w", err)
		return
	}
	h.uids[e.key] = stored.UID
	seen := h.jobs[stored.UID]
	if seen == nil {
		seen = &job{name: stored.Name, payload: payloadOf(stored), created: time.Now()}
		if owner := metav1.GetControllerOf(stored); owner != nil {
			seen.owner = owner.UID
		}
		h.jobs[stored.UID] = seen
	}
	seen.going = stored.DeletionTimestamp != nil
	for _, condition := range stored.Status.Conditions {
		if condition.Status == corev1.ConditionTrue {
			seen.complete = seen.complete || condition.Type == batchv1.JobComplete
			seen.failed = seen.failed || condition.Type == batchv1.JobFailed
		}
	}
}

// payloadOf returns the digest of what the Job's process would get: the kubelet makes one dollar of two.
func payloadOf(stored *batchv1.Job) string {
	for _, variable := range stored.Spec.Template.Spec.Containers[0].Env {
		if variable.Name == payloadVariable {
			return digest(strings.ReplaceAll(variable.Value, "$$", "$"))
		}
	}
	return ""
}
