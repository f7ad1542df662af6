package integration

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// The manager keeps 32 MiB of templates and 16 MiB of payloads in memory. This is more.
const (
	largeTemplates    = 48
	largeTemplateSize = 700 << 10
	waitingExecutions = 68
	waitingPayload    = 250_000
)

var _ = walls("More than the manager keeps in memory", func(namespace func() string) {
	It("is stored, waits for a quota, and then runs with just its payload", func(ctx SpecContext) {
		changeTo(ctx, namespace(), "echo", `first {{ sha256sum .Payload }}`)
		storeLargeTemplates(ctx, namespace(), largeTemplates)
		quota := exhaustQuota(ctx, namespace())
		executions := storeWaitingExecutions(ctx, namespace(), waitingExecutions)
		for _, execution := range executions {
			eventuallyState(ctx, execution, waiting(dispatcherv1alpha1.ReasonJobForbidden))
		}

		By("executing something elsewhere, whose payload the manager keeps in memory")
		elsewhere, payload := admin.NewNamespace(ctx), payloadOf(waitingExecutions)
		admin.DeleteAfterwards(elsewhere)
		createTemplate(ctx, elsewhere, value(`{{ sha256sum .Payload }}`))
		execution := put(ctx, elsewhere+"/echo", string(payload)).Execution()
		Expect(environment(ctx, execution)).To(Equal(fmt.Sprintf("%x", sha256.Sum256(payload))))

		By("changing the template while they wait")
		changeTo(ctx, namespace(), "echo", `second {{ sha256sum .Payload }}`)
		Expect(admin.Delete(ctx, quota)).To(Succeed())
		for i, execution := range executions {
			touch(ctx, execution, "now") // It is retried at growing intervals otherwise.
			Expect(environment(ctx, execution)).To(Equal(fmt.Sprintf("second %x", sha256.Sum256(payloadOf(i)))))
		}

		By("executing large templates that the last ones have displaced")
		for i := range 8 {
			execution := put(ctx, fmt.Sprintf("%s/large-%d", namespace(), i), "small").Execution()
			Expect(environment(ctx, execution)).To(Equal(fmt.Sprintf("%x", sha256.Sum256([]byte("small")))))
		}
	})
})

// storeLargeTemplates stores templates called large-0, large-1, ...
func storeLargeTemplates(ctx context.Context, namespace string, count int) {
	GinkgoHelper()
	sample := strings.Repeat("x", largeTemplateSize)
	sideBySide(numbers(count), func(i int) {
		createTemplate(ctx, namespace, value("{{ sha256sum .Payload }}"), func(t *dispatcherv1alpha1.JobTemplate) {
			t.Name, t.Spec.SamplePayload = fmt.Sprintf("large-%d", i), &sample
		})
	})
}

// storeWaitingExecutions stores executions of the template called echo. Each has another payload.
func storeWaitingExecutions(ctx context.Context, namespace string, count int) []*dispatcherv1alpha1.JobExecution {
	GinkgoHelper()
	executions := make([]*dispatcherv1alpha1.JobExecution, count)
	sideBySide(numbers(count), func(i int) {
		executions[i] = createExecution(ctx, namespace, fmt.Sprintf("waiting-%d", i), string(payloadOf(i)))
	})
	Expect(executions).NotTo(ContainElement(BeNil()))
	return executions
}

func numbers(count int) []int {
	all := make([]int, count)
	for i := range all {
		all[i] = i
	}
	return all
}

// payloadOf is the payload of the i-th execution.
func payloadOf(i int) []byte { return slices.Repeat(fmt.Appendf(nil, "%09d,", i), waitingPayload/10) }

// environment waits for the Job of an execution and returns the first variable of its container.
func environment(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) string {
	GinkgoHelper()
	return eventuallyJob(ctx, execution).Spec.Template.Spec.Containers[0].Env[0].Value
}
