package store

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// +kubebuilder:rbac:groups="",resources=pods,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=pods/log,verbs=get

// Pods returns the pods that belong to the Job of an execution, in the order in which they were created, and the
// version from which a watch goes on. They are read one by one: other pods can have the label, too, and pods can have
// large variables.
func (s *Store) Pods(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) ([]corev1.Pod, string, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	stream, err := s.podsOf(execution).Stream(ctx)
	if err != nil {
		return nil, "", translateCall(err, Target{Namespace: execution.Namespace})
	}
	defer func() { _ = stream.Close() }()
	var pods []corev1.Pod
	list := &piece[corev1.Pod, *corev1.Pod]{each: func(pod *corev1.Pod) error {
		// The label is not enough: anyone who creates a pod can set it.
		owner := metav1.GetControllerOf(pod)
		if owner != nil && execution.Status.Job != nil && owner.UID == execution.Status.Job.UID {
			pods = append(pods, stripPod(pod))
		}
		return nil
	}}
	if _, err := list.ReadFrom(stream); err != nil {
		return nil, "", translateCall(err, Target{Namespace: execution.Namespace})
	}
	slices.SortFunc(pods, func(a, b corev1.Pod) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	return pods, list.ResourceVersion, nil
}

// stripPod returns of a pod what tells which logs it has. A call keeps the pods for as long as it follows them, and
// their variables often have the payload.
func stripPod(pod *corev1.Pod) corev1.Pod {
	named := func(containers []corev1.Container) []corev1.Container {
		var names []corev1.Container
		for _, container := range containers {
			names = append(names, corev1.Container{Name: container.Name, RestartPolicy: container.RestartPolicy})
		}
		return names
	}
	runs := func(statuses []corev1.ContainerStatus) []corev1.ContainerStatus {
		var runs []corev1.ContainerStatus
		for _, status := range statuses {
			runs = append(runs, corev1.ContainerStatus{
				Name: status.Name, ContainerID: status.ContainerID,
				State: stripState(status.State), LastTerminationState: stripState(status.LastTerminationState),
			})
		}
		return runs
	}
	kept := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, CreationTimestamp: pod.CreationTimestamp,
			Annotations: map[string]string{DefaultContainerAnnotation: pod.Annotations[DefaultContainerAnnotation]},
		},
		Spec: corev1.PodSpec{Containers: named(pod.Spec.Containers), InitContainers: named(pod.Spec.InitContainers)},
		Status: corev1.PodStatus{
			Phase:                      pod.Status.Phase,
			InitContainerStatuses:      runs(pod.Status.InitContainerStatuses),
			ContainerStatuses:          runs(pod.Status.ContainerStatuses),
			EphemeralContainerStatuses: runs(pod.Status.EphemeralContainerStatuses),
		},
	}
	for _, container := range pod.Spec.EphemeralContainers {
		name := corev1.EphemeralContainer{}
		name.Name = container.Name
		kept.Spec.EphemeralContainers = append(kept.Spec.EphemeralContainers, name)
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled {
			kept.Status.Conditions = []corev1.PodCondition{
				{Type: condition.Type, Status: condition.Status, Reason: condition.Reason},
			}
		}
	}
	return kept
}

// stripState returns of a state what tells how a container ended, and why it waits.
func stripState(state corev1.ContainerState) corev1.ContainerState {
	kept := corev1.ContainerState{}
	if waiting := state.Waiting; waiting != nil {
		kept.Waiting = &corev1.ContainerStateWaiting{Reason: waiting.Reason}
	}
	if ended := state.Terminated; ended != nil {
		kept.Terminated = &corev1.ContainerStateTerminated{ExitCode: ended.ExitCode, ContainerID: ended.ContainerID}
	}
	return kept
}

// WatchPods tells when the pods of an execution have changed since a version, or cannot be watched any more. The caller
// must call stop. What has changed is not read: all who follow the logs of an execution would have its pod in memory at
// the same time.
func (s *Store) WatchPods(
	ctx context.Context,
	execution *dispatcherv1alpha1.JobExecution,
	version string,
) (changed <-chan struct{}, stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := s.podsOf(execution).Param("watch", "true").Param("resourceVersion", version).Stream(ctx)
	if err != nil {
		cancel()
		return nil, nil, translateCall(err, Target{Namespace: execution.Namespace})
	}
	begun := make(chan struct{})
	go func() {
		defer close(begun)
		_, _ = stream.Read(make([]byte, 1))
	}()
	return begun, func() {
		cancel()
		<-begun
		_ = stream.Close()
	}, nil
}

func (s *Store) podsOf(execution *dispatcherv1alpha1.JobExecution) *rest.Request {
	return about(s.core.Get(), "pods", execution.Namespace).
		Param("labelSelector", dispatcherv1alpha1.LabelJobExecution+"="+execution.Name)
}

// DefaultContainerAnnotation is the name of the container that kubectl takes where none is named.
const DefaultContainerAnnotation = "kubectl.kubernetes.io/default-container"

// ErrNoLog is for a container whose log cannot be read: the pod was removed since it was listed, or the container was
// and does not run again yet.
var ErrNoLog = errors.New("the container has no log")

// Log opens the log of one container. The parameters are those of the API server.
func (s *Store) Log(
	ctx context.Context,
	pod *corev1.Pod,
	container string,
	parameters map[string]string,
) (io.ReadCloser, error) {
	request := about(s.core.Get(), "pods", pod.Namespace).Name(pod.Name).SubResource("log").Param("container", container)
	for name, value := range parameters {
		request.Param(name, value)
	}
	log, err := request.Stream(ctx)
	switch {
	case apierrors.IsNotFound(err), apierrors.IsBadRequest(err):
		return nil, ErrNoLog
	case err != nil:
		return nil, translateCall(err, Target{Namespace: pod.Namespace})
	}
	return log, nil
}
