package e2e

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// waitForMount is for how long a kubelet may need to see that a volume can be mounted.
const waitForMount = 5 * time.Minute

var _ = Describe("An execution tells why its pods do not start", func() {
	// run calls a template whose Job has been changed.
	run := func(ctx context.Context, namespace, payload string, change func(*dispatcherv1alpha1.JobTemplate),
	) *dispatcherv1alpha1.JobExecution {
		GinkgoHelper()
		template := newTemplate(namespace, "blocked", "true")
		change(template)
		createTemplate(ctx, template)
		return put(ctx, namespace, "blocked", payload).Execution()
	}
	mounting := func(source corev1.VolumeSource) func(*dispatcherv1alpha1.JobTemplate) {
		return func(template *dispatcherv1alpha1.JobTemplate) {
			job(template).Template.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: source}}
			container(template).VolumeMounts = []corev1.VolumeMount{{Name: "v", MountPath: "/v"}}
		}
	}

	It("when their service account is missing, until it is created", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		execution := run(ctx, namespace, "idontexist", func(template *dispatcherv1alpha1.JobTemplate) {
			job(template).Template.Spec.ServiceAccountName = "{{ .Payload }}"
		})
		summary := eventuallyReason(ctx, execution, dispatcherv1alpha1.ReasonPodsForbidden)
		Expect(summary.Message).To(ContainSubstring(`serviceaccount "idontexist" not found`))
		Expect(execution.Status.Job.Name).To(Equal(execution.Name))
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "idontexist"}}
		Expect(admin.Create(ctx, account)).To(Succeed())
		Expect(eventuallyFinished(ctx, execution).Reason).To(Equal(dispatcherv1alpha1.ReasonSucceeded))
	})

	It("when a quota allows no pods", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		quota := &corev1.ResourceQuota{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "no-pods"},
			Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("0")}},
		}
		Expect(admin.Create(ctx, quota)).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(quota), quota)).To(Succeed())
			g.Expect(quota.Status.Used).To(HaveKey(corev1.ResourcePods))
		}).WithContext(ctx).Should(Succeed())
		execution := run(ctx, namespace, "", func(*dispatcherv1alpha1.JobTemplate) {})
		Expect(eventuallyReason(ctx, execution, dispatcherv1alpha1.ReasonPodsForbidden).Message).
			To(ContainSubstring("exceeded quota: no-pods"))
	})

	It("when the Secret of a volume is missing, until it is created", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		execution := run(ctx, namespace, "none",
			mounting(corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "{{ .Payload }}-x"}}))
		Expect(eventuallyReason(ctx, execution, dispatcherv1alpha1.ReasonFailedMount).Message).
			To(ContainSubstring(`secret "none-x" not found`))
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "none-x"}}
		Expect(admin.Create(ctx, secret)).To(Succeed())
		// The kubelet tries again after two minutes at most.
		Eventually(func() bool {
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(execution), execution)).To(Succeed())
			return execution.IsFinished()
		}).WithContext(ctx).WithTimeout(waitForMount).Should(BeTrue())
		Expect(execution.Summary().Reason).To(Equal(dispatcherv1alpha1.ReasonSucceeded))
	})

	It("when a PersistentVolumeClaim is missing", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		execution := run(ctx, namespace, "none", mounting(corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "{{ .Payload }}"},
		}))
		Expect(eventuallyReason(ctx, execution, dispatcherv1alpha1.ReasonUnschedulable).Message).
			To(ContainSubstring(`persistentvolumeclaim "none" not found`))
	})

	It("and ends at its start deadline, with its Job", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		execution := run(ctx, namespace, "", func(template *dispatcherv1alpha1.JobTemplate) {
			container(template).Image = "registry.example.com/no-such-image:1"
			template.Spec.StartDeadlineSeconds = new(int32(15))
		})
		summary := eventuallyFinished(ctx, execution)
		Expect(summary.Reason).To(Equal(dispatcherv1alpha1.ReasonStartDeadlineExceeded))
		Expect(summary.Message).To(ContainSubstring("no-such-image:1"))
		Eventually(func(g Gomega) {
			g.Expect(admin.Jobs(ctx, namespace)).To(BeEmpty())
			g.Expect(admin.Pods(ctx, execution)).To(BeEmpty())
		}).WithContext(ctx).Should(Succeed())
	})
})
