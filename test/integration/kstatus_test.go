package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// What kstatus and Argo CD's scripts in docs/gitops.md make of an object.
const (
	inProgress   = "InProgress, Progressing"
	current      = "Current, Healthy"
	hasFailed    = "Failed, Degraded"
	pausesJob    = "InProgress, Suspended"
	refusesCalls = "Current, Suspended"
)

var _ = Describe("Tools that wait, such as Flux, Helm and Argo CD,", func() {
	It("know at each moment whether an execution is in progress, has failed or has succeeded", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		moments := &moments{}

		moments.add(ctx, "fresh", inProgress, createExecution(ctx, namespace, "fresh", ""))
		succeeds := createExecution(ctx, namespace, "succeeds", "")
		moments.add(ctx, "running", inProgress, eventuallyState(ctx, succeeds, running))
		setPods(ctx, succeeds, unschedulable("no room"))
		moments.add(ctx, "waiting", inProgress,
			eventuallyState(ctx, succeeds, waiting(dispatcherv1alpha1.ReasonUnschedulable)))
		endPods(ctx, succeeds, corev1.PodSucceeded)
		moments.add(ctx, "succeeded", current, eventuallyState(ctx, succeeds, succeeded))

		By("canceling what has ended")
		cancel(ctx, succeeds)
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(succeeds), succeeds)).To(Succeed())
			g.Expect(succeeds.Status.ObservedGeneration).To(Equal(succeeds.Generation))
		}).WithContext(ctx).Should(Succeed())
		moments.add(ctx, "succeeded, and canceled too late", current, succeeds)

		fails := createExecution(ctx, namespace, "fails", "")
		endPods(ctx, fails, corev1.PodFailed)
		moments.add(ctx, "failed", hasFailed, eventuallyState(ctx, fails, failed("BackoffLimitExceeded")))

		stopped := createExecution(ctx, namespace, "stopped", "")
		eventuallyState(ctx, stopped, running)
		cancel(ctx, stopped)
		moments.add(ctx, "canceled", hasFailed, eventuallyState(ctx, stopped, failed(dispatcherv1alpha1.ReasonCanceled)))

		Expect(moments.computed(ctx)).To(Equal(moments.wanted))
	})

	It("know whether a Job is suspended", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) { job(t).Suspend = new(true) })
		moments := &moments{}
		execution := createExecution(ctx, namespace, "pauses", "")
		moments.add(ctx, "suspended", pausesJob, eventuallyState(ctx, execution, waiting(dispatcherv1alpha1.ReasonSuspended)))
		Expect(moments.computed(ctx)).To(Equal(moments.wanted))
	})

	It("know whether a template is ready", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		moments := &moments{}
		template := createTemplate(ctx, namespace)
		eventuallyReadiness(ctx, template, dispatcherv1alpha1.ReasonAccepted)
		moments.add(ctx, "ready", current, template)
		untried := template.DeepCopy()
		untried.Status = dispatcherv1alpha1.JobTemplateStatus{ObservedGeneration: -1}
		moments.addAsGiven("not tried yet", inProgress, untried)
		changed := template.DeepCopy()
		changed.Generation++
		moments.addAsGiven("changed, and not tried again", inProgress, changed)

		By("suspending it")
		template.Spec.Suspend = true
		Expect(updateTemplate(ctx, admin, template)).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(template), template)).To(Succeed())
			g.Expect(template.Status.ObservedGeneration).To(Equal(template.Generation))
		}).WithContext(ctx).Should(Succeed())
		moments.add(ctx, "suspended", refusesCalls, template)

		By("leaving no room for Jobs")
		Expect(admin.Create(ctx, noJobs(namespace))).To(Succeed())
		eventuallyReadiness(ctx, template, dispatcherv1alpha1.ReasonJobForbidden)
		moments.add(ctx, "without room", hasFailed, template)
		full := template.DeepCopy()
		meta.RemoveStatusCondition(&full.Status.Conditions, dispatcherv1alpha1.ConditionStalled)
		moments.addAsGiven("without room now", inProgress, full)
		Expect(moments.computed(ctx)).To(Equal(moments.wanted))
	})

	It("run templates and cancel executions, by the actions of docs/gitops.md", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		template := createTemplate(ctx, namespace)
		var created []struct {
			Operation string
			Resource  dispatcherv1alpha1.JobExecution
		}
		action(ctx, template, &created, "-action=run", "-payload=hello")
		Expect(created).To(HaveLen(1))
		Expect(created[0].Operation).To(Equal("create"))
		execution := &created[0].Resource
		Expect(execution.Spec.Payload).To(Equal("hello"))
		Expect(admin.Create(ctx, execution)).To(Succeed())
		eventuallyState(ctx, execution, running)

		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(execution), execution)).To(Succeed())
			var canceled dispatcherv1alpha1.JobExecution
			action(ctx, execution, &canceled, "-action=cancel")
			g.Expect(admin.Update(ctx, &canceled)).To(Succeed())
		}).WithContext(ctx).Should(Succeed())
		execution = eventuallyState(ctx, execution, failed(dispatcherv1alpha1.ReasonCanceled))

		By("disabling what has no effect")
		var none any
		action(ctx, execution, &none, "-action=cancel")
		Expect(none).To(BeNil())
		template.Spec.Suspend = true
		action(ctx, template, &none, "-action=run")
		Expect(none).To(BeNil())
	})
})

// action decodes what an action of docs/gitops.md makes of an object.
func action(ctx context.Context, object client.Object, result any, args ...string) {
	GinkgoHelper()
	text, err := json.Marshal(asStored(object))
	Expect(err).NotTo(HaveOccurred())
	out := runTool(ctx, "gitops", text, append(args, "-doc="+gitopsDocument)...)
	Expect(json.Unmarshal(out, result)).To(Succeed(), string(out))
}

// asStored returns the object with its kind, as it is.
func asStored(object client.Object) *unstructured.Unstructured {
	GinkgoHelper()
	kind, err := admin.GroupVersionKindFor(object)
	Expect(err).NotTo(HaveOccurred())
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	Expect(err).NotTo(HaveOccurred())
	given := &unstructured.Unstructured{Object: content}
	given.SetGroupVersionKind(kind)
	return given
}

// moments are states of objects, and what tools shall make of them.
type moments struct {
	wanted  []string
	objects bytes.Buffer
}

// add notes the state of an object in the form in which the API server has it.
func (m *moments) add(ctx context.Context, moment, wanted string, object client.Object) {
	GinkgoHelper()
	stored := &unstructured.Unstructured{}
	stored.SetGroupVersionKind(asStored(object).GroupVersionKind())
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(object), stored)).To(Succeed())
	m.addAsGiven(moment, wanted, stored)
}

// addAsGiven notes a state that the API server does not have.
func (m *moments) addAsGiven(moment, wanted string, object client.Object) {
	GinkgoHelper()
	m.wanted = append(m.wanted, moment+": "+wanted)
	text, err := json.Marshal(asStored(object))
	Expect(err).NotTo(HaveOccurred())
	m.objects.Write(text)
}

// computed returns what kstatus and Argo CD say of each moment.
func (m *moments) computed(ctx context.Context) []string {
	GinkgoHelper()
	byKstatus := strings.Fields(string(runTool(ctx, "kstatus", m.objects.Bytes())))
	byArgo := strings.Fields(string(runTool(ctx, "gitops", m.objects.Bytes(), "-doc="+gitopsDocument)))
	Expect(byKstatus).To(HaveLen(len(m.wanted)))
	Expect(byArgo).To(HaveLen(len(m.wanted)))
	var computed []string
	for i, wanted := range m.wanted {
		moment, _, _ := strings.Cut(wanted, ": ")
		computed = append(computed, moment+": "+byKstatus[i]+", "+byArgo[i])
	}
	return computed
}

// gitopsDocument is where users copy the scripts for Argo CD from, as seen from the programs in test.
const gitopsDocument = "../../docs/gitops.md"

// runTool returns what a program in test, which has a module of its own, makes of the input.
func runTool(ctx context.Context, name string, input []byte, args ...string) []byte {
	GinkgoHelper()
	program := exec.CommandContext(ctx, "go", append([]string{"run", "."}, args...)...)
	program.Dir = filepath.Join(plane.Root, "test", name)
	program.Stdin, program.Stderr = bytes.NewReader(input), GinkgoWriter
	out, err := program.Output()
	Expect(err).NotTo(HaveOccurred())
	return out
}
