package integration

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/controlplane"
	"dispatcher.ivan.vc/test/user"
)

var _ = Describe("A dry-run", func() {
	var namespace string
	var caller http.Header

	BeforeEach(func(ctx SpecContext) {
		namespace = admin.NewNamespace(ctx)
		caller = newOmnipotent(ctx, namespace)
	})

	AfterEach(func(ctx SpecContext) {
		for _, created := range admin.Executions(ctx, namespace) {
			Expect(created.Name).To(Equal("real"), "a dry-run creates nothing")
		}
		for _, created := range admin.Jobs(ctx, namespace) {
			Expect(created.Name).To(BeElementOf("real", "fixed"), "a dry-run creates nothing")
		}
	})

	preview := func(ctx context.Context, template, payload string, header http.Header) user.Answer {
		GinkgoHelper()
		header = header.Clone()
		if header == nil {
			header = http.Header{}
		}
		maps.Copy(header, caller)
		answered, err := send(ctx, manager, http.MethodPut, "/execute/"+namespace+"/"+template+"?dryRun=All", payload,
			header)
		Expect(err).NotTo(HaveOccurred())
		return answered
	}

	It("shows the Job as it would be", func(ctx SpecContext) {
		createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) {
			t.Labels = map[string]string{"team": "a"}
			job(t).TTLSecondsAfterFinished = new(int32(600))
		})
		answered := preview(ctx, "echo", "my test payload", nil)
		Expect(answered.Code).To(Equal(http.StatusOK), answered.Body)
		Expect(answered.Header.Get("Content-Type")).To(Equal("application/json"))
		shown := &batchv1.Job{}
		Expect(json.Unmarshal([]byte(answered.Body), shown)).To(Succeed())
		Expect(shown.TypeMeta).To(Equal(metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}))
		Expect(shown.Spec.Template.Spec.Containers[0].Env[0].Value).To(Equal("my test payload"))
		Expect(shown.Spec.Template.Spec.TerminationGracePeriodSeconds).NotTo(BeNil(), "with the API server's defaults")

		answered = preview(ctx, "echo", "my test payload", http.Header{"Accept": {"application/yaml"}})
		Expect(answered.Header.Get("Content-Type")).To(Equal("application/yaml"))
		Expect(yaml.UnmarshalStrict([]byte(answered.Body), &batchv1.Job{})).To(Succeed())

		By("comparing it with the real one")
		execution := createExecution(ctx, namespace, "real", "my test payload")
		real := eventuallyJob(ctx, execution)
		Expect(shown.Name).To(HavePrefix("echo-"))
		Expect(like(shown, shown.Name)).To(Equal(like(real, "real")))
		Expect(shown.UID).To(BeEmpty())
		Expect(shown.Spec.Selector).To(BeNil())
		Expect(shown.Spec.Template.Labels).NotTo(HaveKey(batchv1.ControllerUidLabel))
		Expect(metav1.GetControllerOf(shown).UID).To(BeEmpty())
	})

	It("gives the verdict alone to who may not read the template", func(ctx SpecContext) {
		createTemplate(ctx, namespace, value(`{{ required "name is missing" (get (fromJson .Payload) "name") }}`),
			func(t *dispatcherv1alpha1.JobTemplate) { t.Spec.SamplePayload = new(`{"name":"x"}`) })
		caller = nil // anonymous callers may execute
		answered := preview(ctx, "echo", `{"name":"x"}`, nil)
		Expect(answered.Code).To(Equal(http.StatusNoContent), answered.Body)
		Expect(answered.Body).To(BeEmpty())
		refused := preview(ctx, "echo", `{}`, nil)
		Expect(refused.Code).To(Equal(http.StatusUnprocessableEntity))
		Expect(refused.Problem().Errors).To(Equal(put(ctx, namespace+"/echo", `{}`).Problem().Errors))
	})

	It("passes on what the API server warns of", func(ctx SpecContext) {
		Expect(admin.Patch(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
			client.RawPatch("application/merge-patch+json",
				[]byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/warn":"restricted"}}}`)))).To(Succeed())
		createTemplate(ctx, namespace)
		Eventually(func() []string { return preview(ctx, "echo", "", nil).Header.Values("Warning") }).WithContext(ctx).
			Should(ConsistOf(And(HavePrefix(`299 - "`), ContainSubstring("would violate PodSecurity"))))
	})

	It("is refused as the real call would be", func(ctx SpecContext) {
		createTemplate(ctx, namespace, value(`{{ required "name is missing" (index (mustFromJson .Payload) "name") }}`),
			func(t *dispatcherv1alpha1.JobTemplate) { t.Spec.SamplePayload = new(`{"name":"x"}`) })
		real := put(ctx, namespace+"/echo", `{"nmae":"x"}`)
		answered := preview(ctx, "echo", `{"nmae":"x"}`, nil)
		Expect(answered.Code).To(Equal(http.StatusUnprocessableEntity))
		Expect(answered.Problem().Errors).To(Equal(real.Problem().Errors))
		Expect(answered.Problem().Detail).To(Equal(real.Problem().Detail))

		Expect(preview(ctx, "no-such", "", nil).Problem().Reason).To(Equal("JobTemplateNotFound"))
		Expect(preview(ctx, "echo", "a\xffb", nil).Problem().Reason).To(Equal("InvalidRequest"))
	})

	It("is refused for a Job that the API server would not take, by the field of the template", func(ctx SpecContext) {
		createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) {
			t.Spec.SamplePayload = new("Never")
			job(t).Template.Spec.RestartPolicy = "{{ .Payload }}"
		})
		answered := preview(ctx, "echo", "Sometimes", nil)
		Expect(answered.Code).To(Equal(http.StatusUnprocessableEntity), answered.Body)
		Expect(answered.Problem().Reason).To(Equal("Invalid"))
		Expect(answered.Problem().Fields()).To(ContainElement("spec.jobTemplate.spec.template.spec.restartPolicy"))
	})

	It("is accepted, and warned, while a quota leaves no room for the Job", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		Expect(admin.Create(ctx, &corev1.ResourceQuota{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "no-jobs"},
			Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"count/jobs.batch": resource.MustParse("0")}},
		})).To(Succeed())
		Eventually(func(g Gomega) {
			answered := preview(ctx, "echo", "", nil)
			g.Expect(answered.Code).To(Equal(http.StatusOK), answered.Body)
			g.Expect(answered.Header.Get("Warning")).To(ContainSubstring("exceeded quota: no-jobs"))
		}).WithContext(ctx).Should(Succeed())
	})

	It("is accepted, and warned, for a name that a Job has already", func(ctx SpecContext) {
		createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) { t.Spec.JobTemplate.Name = "fixed" })
		createExecution(ctx, namespace, "real", "")
		Eventually(func() []batchv1.Job { return admin.Jobs(ctx, namespace) }).WithContext(ctx).Should(HaveLen(1))
		answered := preview(ctx, "echo", "", nil)
		Expect(answered.Code).To(Equal(http.StatusOK), answered.Body)
		Expect(answered.Header.Get("Warning")).To(ContainSubstring("there is a Job"))
	})

	It("is told of trouble, and leaves nothing", func(ctx SpecContext) {
		createTemplate(ctx, namespace)
		tries := func(r controlplane.Request) bool {
			return r.Resource == "jobs" && r.DryRun &&
				r.Namespace == namespace && !ofTemplateStatus(r)
		}
		remove := manager.Proxy.Inject(tries, controlplane.Unreachable())
		DeferCleanup(remove)
		answered := preview(ctx, "echo", "", nil)
		Expect(answered.Code).To(Equal(http.StatusServiceUnavailable))
		Expect(answered.Header.Get("Retry-After")).NotTo(BeEmpty())

		remove()
		DeferCleanup(manager.Proxy.Inject(tries, controlplane.Answer(
			apierrors.NewForbidden(schema.GroupResource{Resource: "jobs"}, "", context.Canceled))))
		Expect(preview(ctx, "echo", "", nil).Header.Get("Warning")).
			To(ContainSubstring("Dispatcher is not allowed to create Jobs"))
	})
})

// like is a Job without what differs from Job to Job, and with name for its own.
func like(job *batchv1.Job, name string) *batchv1.Job {
	job = job.DeepCopy()
	rename := func(labels map[string]string) {
		delete(labels, batchv1.ControllerUidLabel)
		delete(labels, "controller-uid")
		for key, value := range labels {
			if value == name {
				labels[key] = "NAME"
			}
		}
	}
	rename(job.Labels)
	rename(job.Spec.Template.Labels)
	for i := range job.OwnerReferences {
		job.OwnerReferences[i].Name, job.OwnerReferences[i].UID = "NAME", ""
	}
	job.TypeMeta, job.Status, job.Spec.Selector = metav1.TypeMeta{}, batchv1.JobStatus{}, nil
	job.Name, job.UID, job.ResourceVersion, job.Generation = "NAME", "", "", 0
	job.CreationTimestamp, job.ManagedFields = metav1.Time{}, nil
	return job
}
