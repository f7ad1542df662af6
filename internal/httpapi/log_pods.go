package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// defaultContainerAnnotation is the name of the container that kubectl takes where none is named.
const defaultContainerAnnotation = "kubectl.kubernetes.io/default-container"

// +kubebuilder:rbac:groups="",resources=pods,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=pods/log,verbs=get

// listPods returns the pods that belong to the Job of an execution, in the order in which they were created, and the
// version from which a watch goes on.
func (s *apiServer) listPods(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) ([]corev1.Pod, string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	var list corev1.PodList
	err := s.requestFor(s.pods.Get(), "pods", execution.Namespace).Param("labelSelector", podSelector(execution)).Do(ctx).Into(&list)
	if err != nil {
		return nil, "", err
	}
	// The label alone says little: whoever creates a pod may set it.
	pods := slices.DeleteFunc(list.Items, func(pod corev1.Pod) bool {
		owner := metav1.GetControllerOf(&pod)
		return owner == nil || execution.Status.Job == nil || owner.UID != execution.Status.Job.UID
	})
	slices.SortFunc(pods, func(a, b corev1.Pod) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	return pods, list.ResourceVersion, nil
}

// watchPods tells of the changes of an execution's pods since a list.
func (s *apiServer) watchPods(ctx context.Context, execution *dispatcherv1alpha1.JobExecution, version string) (watch.Interface, error) {
	return s.requestFor(s.pods.Get(), "pods", execution.Namespace).
		Param("labelSelector", podSelector(execution)).Param("watch", "true").Param("resourceVersion", version).Watch(ctx)
}

func podSelector(execution *dispatcherv1alpha1.JobExecution) string {
	return dispatcherv1alpha1.LabelJobExecution + "=" + execution.Name
}

// openLog opens the log of one container.
func (s *apiServer) openLog(ctx context.Context, pod *corev1.Pod, container string, parameters map[string]string) (io.ReadCloser, error) {
	request := s.requestFor(s.pods.Get(), "pods", pod.Namespace).Name(pod.Name).SubResource("log").Param("container", container)
	for name, value := range parameters {
		request.Param(name, value)
	}
	return request.Stream(ctx)
}

// instance is one run of a container. A container that its pod starts again is another.
type instance struct {
	pod       *corev1.Pod
	container string
	id        string
}

// instanceOf returns the container of a pod that is asked for as it runs now, or ran last, or false where it has not
// been started yet.
func instanceOf(pod *corev1.Pod, container string) (instance, bool) {
	if container == "" {
		container = defaultContainer(pod)
	}
	statuses := slices.Concat(pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses, pod.Status.EphemeralContainerStatuses)
	for _, status := range statuses {
		if status.Name == container && status.ContainerID != "" {
			return instance{pod: pod, container: container, id: string(pod.UID) + "/" + status.ContainerID}, true
		}
	}
	return instance{}, false
}

func defaultContainer(pod *corev1.Pod) string {
	names := containerNames(pod)
	if name := pod.Annotations[defaultContainerAnnotation]; slices.Contains(names, name) {
		return name
	}
	return names[0]
}

// containerNames are those of a pod, its containers first.
func containerNames(pod *corev1.Pod) []string {
	var names []string
	for _, container := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers) {
		names = append(names, container.Name)
	}
	for _, container := range pod.Spec.EphemeralContainers {
		names = append(names, container.Name)
	}
	return names
}

// hasEnded tells whether nothing of a pod will run any more.
func hasEnded(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// choose returns the pods that are asked for, or refuses a pod or a container that there is not.
func (q logQuery) choose(pods []corev1.Pod) ([]corev1.Pod, error) {
	if q.pod != "" {
		at := slices.IndexFunc(pods, func(pod corev1.Pod) bool { return pod.Name == q.pod })
		if at < 0 {
			names := make([]string, 0, len(pods))
			for i := range pods {
				names = append(names, pods[i].Name)
			}
			return nil, logsGone("the execution has no pod %q; it has %s", q.pod, orNone(names))
		}
		pods = pods[at : at+1]
	}
	if q.container != "" && len(pods) > 0 {
		if names := containerNames(&pods[0]); !slices.Contains(names, q.container) {
			return nil, refuseParameter("container", fmt.Sprintf("the pods have no container %q; they have %s", q.container, orNone(names)))
		}
	}
	return pods, nil
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func logsGone(format string, args ...any) *refusal {
	return refuse(reasonLogsGone, format, args...)
}
