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
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// +kubebuilder:rbac:groups="",resources=pods,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=pods/log,verbs=get

// Pods returns the pods that belong to the Job of an execution, in the order in which they were created, and the
// version from which a watch goes on.
func (s *Store) Pods(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) ([]corev1.Pod, string, error) {
	ctx, cancel := context.WithTimeout(ctx, LookupTimeout)
	defer cancel()
	var list corev1.PodList
	if err := s.podsOf(execution).Do(ctx).Into(&list); err != nil {
		return nil, "", translateCall(err, Target{Namespace: execution.Namespace})
	}
	// The label is not enough: anyone who creates a pod can set it.
	pods := slices.DeleteFunc(list.Items, func(pod corev1.Pod) bool {
		owner := metav1.GetControllerOf(&pod)
		return owner == nil || execution.Status.Job == nil || owner.UID != execution.Status.Job.UID
	})
	for i := range pods {
		stripPod(&pods[i])
	}
	slices.SortFunc(pods, func(a, b corev1.Pod) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	return pods, list.ResourceVersion, nil
}

// stripPod leaves of a pod what tells whose logs it has. A call keeps the pods for as long as it follows them, and
// their variables often have the payload.
func stripPod(pod *corev1.Pod) {
	named := func(containers []corev1.Container) []corev1.Container {
		var names []corev1.Container
		for _, container := range containers {
			names = append(names, corev1.Container{Name: container.Name})
		}
		return names
	}
	spec := corev1.PodSpec{Containers: named(pod.Spec.Containers), InitContainers: named(pod.Spec.InitContainers)}
	for _, container := range pod.Spec.EphemeralContainers {
		kept := corev1.EphemeralContainer{}
		kept.Name = container.Name
		spec.EphemeralContainers = append(spec.EphemeralContainers, kept)
	}
	pod.Spec = spec
	pod.ManagedFields, pod.Labels = nil, nil
	pod.Annotations = map[string]string{DefaultContainerAnnotation: pod.Annotations[DefaultContainerAnnotation]}
	for _, statuses := range [][]corev1.ContainerStatus{
		pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses, pod.Status.EphemeralContainerStatuses,
	} {
		for i := range statuses {
			statuses[i] = corev1.ContainerStatus{Name: statuses[i].Name, ContainerID: statuses[i].ContainerID}
		}
	}
}

// WatchPods tells of the changes of an execution's pods since a version.
func (s *Store) WatchPods(
	ctx context.Context,
	execution *dispatcherv1alpha1.JobExecution,
	version string,
) (watch.Interface, error) {
	pods, err := s.podsOf(execution).Param("watch", "true").Param("resourceVersion", version).Watch(ctx)
	if err != nil {
		return nil, translateCall(err, Target{Namespace: execution.Namespace})
	}
	return pods, nil
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
