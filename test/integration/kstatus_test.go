package integration

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

var _ = Describe("Tools that wait, such as Flux and Helm,", func() {
	It("know at each moment whether an execution is in progress, has failed or has succeeded", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		moments := &moments{}

		moments.add(ctx, "fresh", "InProgress", createExecution(ctx, namespace, "fresh", ""))
		succeeds := createExecution(ctx, namespace, "succeeds", "")
		moments.add(ctx, "running", "InProgress", eventuallyState(ctx, succeeds, running))
		setPods(ctx, succeeds, unschedulable("no room"))
		moments.add(ctx, "waiting", "InProgress",
			eventuallyState(ctx, succeeds, waiting(dispatcherv1alpha1.ReasonUnschedulable)))
		endPods(ctx, succeeds, corev1.PodSucceeded)
		moments.add(ctx, "succeeded", "Current", eventuallyState(ctx, succeeds, succeeded))

		By("canceling what has ended")
		cancel(ctx, succeeds)
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(succeeds), succeeds)).To(Succeed())
			g.Expect(succeeds.Status.ObservedGeneration).To(Equal(succeeds.Generation))
		}).WithContext(ctx).Should(Succeed())
		moments.add(ctx, "succeeded, and canceled too late", "Current", succeeds)

		fails := createExecution(ctx, namespace, "fails", "")
		endPods(ctx, fails, corev1.PodFailed)
		moments.add(ctx, "failed", "Failed", eventuallyState(ctx, fails, failed("BackoffLimitExceeded")))

		stopped := createExecution(ctx, namespace, "stopped", "")
		eventuallyState(ctx, stopped, running)
		cancel(ctx, stopped)
		moments.add(ctx, "canceled", "Failed", eventuallyState(ctx, stopped, failed(dispatcherv1alpha1.ReasonCanceled)))

		Expect(moments.computed(ctx)).To(Equal(moments.wanted))
	})
})

// moments are states of executions, and what tools shall make of them.
type moments struct {
	wanted  []string
	objects bytes.Buffer
}

// add notes an execution as it was given, in the form in which the API server has it.
func (m *moments) add(
	ctx context.Context, moment, wanted string, execution *dispatcherv1alpha1.JobExecution,
) {
	GinkgoHelper()
	stored := &unstructured.Unstructured{}
	stored.SetGroupVersionKind(dispatcherv1alpha1.GroupVersion.WithKind("JobExecution"))
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(execution), stored)).To(Succeed())
	m.wanted = append(m.wanted, moment+": "+wanted)
	text, err := stored.MarshalJSON()
	Expect(err).NotTo(HaveOccurred())
	m.objects.Write(text)
}

// computed returns what test/kstatus says of each moment.
func (m *moments) computed(ctx context.Context) []string {
	GinkgoHelper()
	program := exec.CommandContext(ctx, "go", "run", ".")
	program.Dir = filepath.Join(plane.Root, "test", "kstatus")
	program.Stdin, program.Stderr = &m.objects, GinkgoWriter
	out, err := program.Output()
	Expect(err).NotTo(HaveOccurred())
	computed := strings.Fields(string(out))
	Expect(computed).To(HaveLen(len(m.wanted)))
	for i, status := range computed {
		moment, _, _ := strings.Cut(m.wanted[i], ": ")
		computed[i] = moment + ": " + status
	}
	return computed
}
