package integration

import (
	"context"
	"maps"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/controlplane"
)

var _ = Describe("The status of a JobTemplate", func() {
	var namespace string
	BeforeEach(func(ctx SpecContext) { namespace = admin.NewNamespace(ctx) })

	It("is Ready soon after it was stored, and users cannot set it", func(ctx SpecContext) {
		template := createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) {
			t.Status.ObservedGeneration = 1
			t.Status.Conditions = []metav1.Condition{{
				Type: "Ready", Status: metav1.ConditionFalse, Reason: "Mine", LastTransitionTime: metav1.Now()}}
		})
		Expect(template.Status.ObservedGeneration).To(BeEquivalentTo(-1), "nothing was tried yet")
		Expect(template.Status.Conditions).To(BeEmpty())
		waited := kubectl.Run(ctx, "wait", "--for=condition=Ready", "--timeout=60s", "-n", namespace, "jobtemplate/echo")
		Expect(waited.Err).NotTo(HaveOccurred())
		ready := eventuallyReadiness(ctx, template, dispatcherv1alpha1.ReasonAccepted)
		Expect(ready.Status).To(Equal(metav1.ConditionTrue))
		Expect(template.Status.ObservedGeneration).To(Equal(template.Generation))
		Expect(eventsOfTemplate(ctx, template)).To(BeEmpty())

		By("reading it over HTTP")
		answer := callTo(ctx, manager, http.MethodGet, "/templates/"+namespace+"/echo", nil)
		Expect(answer.Body).To(ContainSubstring(`"reason":"Accepted"`))
	})

	DescribeTable("follows the policies of the namespace",
		func(ctx SpecContext, forbid, allow func(ctx context.Context, namespace string)) {
			template := createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) {
				container(t).SecurityContext = &corev1.SecurityContext{Privileged: new(true)}
			})
			eventuallyReadiness(ctx, template, dispatcherv1alpha1.ReasonAccepted)
			forbid(ctx, namespace)
			ready := eventuallyReadiness(ctx, template, dispatcherv1alpha1.ReasonJobForbidden)
			Expect(ready.Status).To(Equal(metav1.ConditionFalse))
			Expect(meta.IsStatusConditionTrue(template.Status.Conditions, dispatcherv1alpha1.ConditionStalled)).To(BeTrue())
			allow(ctx, namespace)
			eventuallyReadiness(ctx, template, dispatcherv1alpha1.ReasonAccepted)
			Expect(meta.FindStatusCondition(template.Status.Conditions, dispatcherv1alpha1.ConditionStalled)).To(BeNil())
			Eventually(func() []string { return eventsOfTemplate(ctx, template) }).WithContext(ctx).
				Should(ConsistOf("Warning JobForbidden", "Normal Accepted"))
		},
		Entry("a quota", func(ctx context.Context, namespace string) {
			Expect(admin.Create(ctx, noJobs(namespace))).To(Succeed())
		}, func(ctx context.Context, namespace string) {
			Expect(admin.Delete(ctx, noJobs(namespace))).To(Succeed())
		}),
		Entry("Pod Security", func(ctx context.Context, namespace string) {
			setLabel(ctx, namespace, "pod-security.kubernetes.io/enforce", `"baseline"`)
		}, func(ctx context.Context, namespace string) {
			setLabel(ctx, namespace, "pod-security.kubernetes.io/enforce", "null")
		}),
		Entry("a quota that is raised", func(ctx context.Context, namespace string) {
			Expect(admin.Create(ctx, noJobs(namespace))).To(Succeed())
		}, func(ctx context.Context, namespace string) {
			quota := noJobs(namespace)
			patch := `{"spec":{"hard":{"count/jobs.batch":"5"}}}`
			Expect(admin.Patch(ctx, quota, client.RawPatch("application/merge-patch+json", []byte(patch)))).To(Succeed())
		}),
		Entry("a policy by a label of the namespace", func(ctx context.Context, namespace string) {
			Expect(admin.Create(ctx, noJobsWhereLabeled(namespace))).To(Succeed())
			Expect(admin.Create(ctx, bindingOf(noJobsWhereLabeled(namespace)))).To(Succeed())
			DeferCleanup(func(ctx context.Context) {
				Expect(admin.Delete(ctx, bindingOf(noJobsWhereLabeled(namespace)))).To(Succeed())
				Expect(admin.Delete(ctx, noJobsWhereLabeled(namespace))).To(Succeed())
			})
			Eventually(func() error {
				setLabel(ctx, namespace, "jobs", `"no"`)
				job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "probe"}}
				job.Spec = *newTemplate(namespace).Spec.JobTemplate.Spec.DeepCopy()
				return admin.Create(ctx, job, client.DryRunAll)
			}).WithContext(ctx).Should(HaveOccurred())
			// The policy may have come after the label.
			setLabel(ctx, namespace, "again", `"yes"`)
		}, func(ctx context.Context, namespace string) {
			setLabel(ctx, namespace, "jobs", "null")
		}),
	)

	It("tells of a template that was stored before a rule existed, also after the leader was killed", func(ctx SpecContext) {
		restartAfterwards()
		good := createTemplate(ctx, namespace)
		eventuallyReadiness(ctx, good, dispatcherv1alpha1.ReasonAccepted)
		manager.Kill()
		bad := newTemplate(namespace, func(t *dispatcherv1alpha1.JobTemplate) {
			t.Name = "old"
			container(t).Image = "{{ noSuchFunction }}"
		})
		withoutTemplateWebhook(ctx, func() {
			Eventually(func() error { return admin.Create(ctx, bad) }).WithContext(ctx).Should(Succeed())
		})
		manager.Proxy.Forget()
		Expect(manager.Start(ctx)).To(Succeed())
		ready := eventuallyReadiness(ctx, bad, dispatcherv1alpha1.ReasonRenderFailed)
		Expect(ready.Message).To(HavePrefix("spec.jobTemplate.spec.template.spec.containers[0].image"))
		tried := func(r controlplane.Request) bool {
			return r.Namespace == namespace && r.DryRun && ofTemplateStatus(r)
		}
		Eventually(func() int { return len(manager.Proxy.Requests(tried)) }).WithContext(ctx).Should(BeNumerically(">=", 1))
		letTheControllerCatchUp(ctx)
		Expect(manager.Proxy.Requests(writesStatusOf(namespace))).To(HaveLen(1), "the ready one has not changed")
	})
})

// eventuallyReadiness waits until the condition Ready of the template has this reason, and reads the template.
func eventuallyReadiness(ctx context.Context, template *dispatcherv1alpha1.JobTemplate, reason string) *metav1.Condition {
	GinkgoHelper()
	var ready *metav1.Condition
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(template), template)).To(Succeed())
		ready = meta.FindStatusCondition(template.Status.Conditions, dispatcherv1alpha1.ConditionReady)
		g.Expect(ready).NotTo(BeNil())
		g.Expect(ready.Reason).To(Equal(reason), ready.Message)
	}).WithContext(ctx).Should(Succeed())
	return ready
}

// eventsOfTemplate returns the types and reasons of the events about a template.
func eventsOfTemplate(ctx context.Context, template *dispatcherv1alpha1.JobTemplate) []string {
	GinkgoHelper()
	var events eventsv1.EventList
	Expect(admin.List(ctx, &events, client.InNamespace(template.Namespace))).To(Succeed())
	seen := map[string]bool{}
	for _, event := range events.Items {
		if event.Regarding.UID == template.UID {
			seen[event.Type+" "+event.Reason] = true
		}
	}
	var all []string
	for text := range maps.Keys(seen) {
		all = append(all, text)
	}
	return all
}

// noJobs is a quota in which there is room for no Job.
func noJobs(namespace string) *corev1.ResourceQuota {
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "no-jobs"}}
	quota.Spec.Hard = corev1.ResourceList{"count/jobs.batch": resource.MustParse("0")}
	return quota
}

// noJobsWhereLabeled is a policy that refuses Jobs in namespaces with the label jobs=no.
func noJobsWhereLabeled(name string) *admissionregistrationv1.ValidatingAdmissionPolicy {
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	policy.Spec.MatchConstraints = &admissionregistrationv1.MatchResources{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"jobs": "no"}},
		ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
			RuleWithOperations: admissionregistrationv1.RuleWithOperations{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule: admissionregistrationv1.Rule{
					APIGroups: []string{"batch"}, APIVersions: []string{"v1"}, Resources: []string{"jobs"},
				},
			},
		}},
	}
	policy.Spec.Validations = []admissionregistrationv1.Validation{{Expression: "false", Message: "no Jobs here"}}
	return policy
}

func bindingOf(
	policy *admissionregistrationv1.ValidatingAdmissionPolicy,
) *admissionregistrationv1.ValidatingAdmissionPolicyBinding {
	return &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: policy.Name},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName:        policy.Name,
			ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
		},
	}
}

// setLabel sets a label of a namespace to a value in JSON.
func setLabel(ctx context.Context, namespace, label, value string) {
	GinkgoHelper()
	patch := []byte(`{"metadata":{"labels":{"` + label + `":` + value + `}}}`)
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	Expect(admin.Patch(ctx, object, client.RawPatch("application/merge-patch+json", patch))).To(Succeed())
}

// withoutTemplateWebhook does something while the webhook on JobTemplates is not called.
func withoutTemplateWebhook(ctx context.Context, do func()) {
	GinkgoHelper()
	set := func(exclude bool) error {
		return retry.RetryOnConflict(retry.DefaultRetry, func() error {
			var all admissionregistrationv1.ValidatingWebhookConfigurationList
			if err := admin.List(ctx, &all); err != nil {
				return err
			}
			for i := range all.Items {
				for j := range all.Items[i].Webhooks {
					webhook := &all.Items[i].Webhooks[j]
					if webhook.Name != "jobtemplate.dispatcher.ivan.vc" {
						continue
					}
					webhook.NamespaceSelector = nil
					if exclude {
						webhook.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"no": "such"}}
					}
					return admin.Update(ctx, &all.Items[i])
				}
			}
			return nil
		})
	}
	Expect(set(true)).To(Succeed())
	defer func() { Expect(set(false)).To(Succeed()) }()
	do()
}

// writesStatusOf matches writes of the status of a template.
func writesStatusOf(namespace string) controlplane.Match {
	return func(r controlplane.Request) bool {
		return r.Namespace == namespace && r.Resource == "jobtemplates" && r.Subresource == "status"
	}
}

// ofTemplateStatus matches what the controller of templates asks of the API server. It may do so at any time.
func ofTemplateStatus(r controlplane.Request) bool {
	return r.Resource == "jobtemplates" && r.Subresource == "status" || strings.HasSuffix(r.UserAgent, "/jobtemplate")
}
