package integration

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/controlplane"
)

var _ = Describe("Pods that do not start", func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) { namespace = admin.NewNamespace(ctx) })

	DescribeTable("because they cannot be created: the execution says why, and goes on when they can be",
		func(ctx SpecContext, cause string, forbid func(context.Context, string), change func(*corev1.PodSpec),
			allow func(context.Context, string)) {
			if forbid != nil {
				forbid(ctx, namespace)
			}
			createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) {
				if change != nil {
					change(&job(t).Template.Spec)
				}
			})
			writes := func(r controlplane.Request) bool {
				return r.Write() && r.Namespace == namespace && r.Resource == "jobexecutions"
			}
			execution := createExecution(ctx, namespace, "forbidden", "")
			found := eventuallyState(ctx, execution, waiting(dispatcherv1alpha1.ReasonPodsForbidden))
			Expect(message(found)).To(And(ContainSubstring(cause), ContainSubstring("Job forbidden")))
			Expect(found.Status.Job).To(HaveValue(HaveField("Name", "forbidden")))
			Expect(manager.Proxy.Requests(writes)).To(HaveLen(1), "the first status is this one")
			Eventually(func() []string { return reasonsOf(eventsAbout(ctx, execution)) }).WithContext(ctx).
				Should(ConsistOf("PodsForbidden"))
			allow(ctx, namespace)
			eventuallyState(ctx, execution, running)
		},
		Entry("a quota of no pods", "exceeded quota", forbidPods, nil,
			func(ctx context.Context, namespace string) {
				remove(ctx, namespace, &corev1.ResourceQuota{}, "no-pods")
			}),
		Entry("Pod Security", "violates PodSecurity", func(ctx context.Context, namespace string) {
			labelNamespace(ctx, namespace, "restricted")
		}, nil, func(ctx context.Context, namespace string) { labelNamespace(ctx, namespace, "privileged") }),
		Entry("a LimitRange", "minimum cpu usage per Container", func(ctx context.Context, namespace string) {
			create(ctx, namespace, &corev1.LimitRange{Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
				Type: corev1.LimitTypeContainer, Min: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")},
			}}}}, "least")
		}, func(spec *corev1.PodSpec) {
			spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1m")}
		}, func(ctx context.Context, namespace string) { remove(ctx, namespace, &corev1.LimitRange{}, "least") }),
		Entry("a missing priority class", "no PriorityClass with name absent-class was found", nil,
			func(spec *corev1.PodSpec) { spec.PriorityClassName = "absent-class" },
			func(ctx context.Context, namespace string) {
				class := &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: "absent-class"}, Value: 1}
				Expect(admin.Create(ctx, class)).To(Succeed())
				DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, class)).To(Succeed()) })
			}),
	)

	It("because a volume cannot be mounted make the execution wait, with the kubelet's words", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		execution := createExecution(ctx, namespace, "mounts", "")
		setPods(ctx, execution, creating)
		eventuallyState(ctx, execution, running)
		const words = `MountVolume.SetUp failed for volume "v" : secret "absent" not found`
		warn(ctx, execution, "FailedMount", words)
		found := eventuallyState(ctx, execution, waiting(dispatcherv1alpha1.ReasonFailedMount))
		Expect(message(found)).To(And(ContainSubstring(words), ContainSubstring("JobTemplate echo")))
		setPods(ctx, execution, containerRuns)
		eventuallyState(ctx, execution, running)
		endPods(ctx, execution, corev1.PodSucceeded)
		eventuallyState(ctx, execution, succeeded)
	})

	It("because their Job is another controller's make the execution say whose", func(ctx SpecContext) {
		createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) {
			job(t).ManagedBy = new("example.com/elsewhere")
		})
		execution := createExecution(ctx, namespace, "elsewhere", "")
		Expect(message(eventuallyState(ctx, execution, waiting(dispatcherv1alpha1.ReasonWaiting)))).
			To(Or(Equal("waiting for the controller"), ContainSubstring("example.com/elsewhere")))
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(execution), execution)).To(Succeed())
			g.Expect(message(execution)).To(ContainSubstring("example.com/elsewhere"))
		}).WithContext(ctx).Should(Succeed())
	})

	It("because they were deleted and cannot be created again are told, too", func(ctx SpecContext) {
		createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) { job(t).BackoffLimit = new(int32(6)) })
		execution := createExecution(ctx, namespace, "evicted", "")
		setPods(ctx, execution, containerRuns)
		eventuallyState(ctx, execution, running)
		forbidPods(ctx, namespace)
		for _, pod := range admin.Pods(ctx, execution) {
			Expect(admin.Delete(ctx, &pod, client.GracePeriodSeconds(0))).To(Succeed())
		}
		eventuallyState(ctx, execution, waiting(dispatcherv1alpha1.ReasonPodsForbidden))
	})
})

func create(ctx context.Context, namespace string, object client.Object, name string) {
	GinkgoHelper()
	object.SetNamespace(namespace)
	object.SetName(name)
	Expect(admin.Create(ctx, object)).To(Succeed())
}

func remove(ctx context.Context, namespace string, object client.Object, name string) {
	GinkgoHelper()
	object.SetNamespace(namespace)
	object.SetName(name)
	Expect(admin.Delete(ctx, object)).To(Succeed())
}

// labelNamespace sets the level of Pod Security.
func labelNamespace(ctx context.Context, namespace, level string) {
	GinkgoHelper()
	patch := []byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"` + level + `"}}}`)
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	Expect(admin.Patch(ctx, object, client.RawPatch("application/merge-patch+json", patch))).To(Succeed())
}

// creating makes the status of a pod that a node has, and that has not started.
func creating(status *corev1.PodStatus) {
	containerWaits("ContainerCreating", "")(status)
	status.Conditions = append(status.Conditions, corev1.PodCondition{
		Type: corev1.PodReadyToStartContainers, Status: corev1.ConditionFalse, LastTransitionTime: metav1.Now(),
	})
}

// warn makes an event about the pod of an execution, as the kubelet does.
func warn(ctx context.Context, execution *dispatcherv1alpha1.JobExecution, reason, note string) {
	GinkgoHelper()
	for _, pod := range admin.Pods(ctx, execution) {
		Expect(admin.Create(ctx, &eventsv1.Event{
			ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, GenerateName: pod.Name + "-"},
			Regarding:  corev1.ObjectReference{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
			Type:       corev1.EventTypeWarning, Reason: reason, Note: note, Action: "Mount",
			EventTime: metav1.NowMicro(), ReportingController: "kubelet", ReportingInstance: "node",
		})).To(Succeed())
	}
}
