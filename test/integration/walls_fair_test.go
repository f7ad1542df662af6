package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

var _ = Describe("A namespace beside somebody who asks for too much", Label("walls"), func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) {
		namespace = admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
	})

	// during lets others ask again and again, all of them at the same time, until the spec ends, and returns once many
	// of them are being answered.
	during := func(ctx SpecContext, ask ...func(ctx context.Context, try int)) {
		GinkgoHelper()
		asking, stop := context.WithCancel(ctx)
		var all sync.WaitGroup
		for _, one := range ask {
			all.Go(func() {
				for try := 0; asking.Err() == nil; try++ {
					one(asking, try)
				}
			})
		}
		DeferCleanup(all.Wait)
		DeferCleanup(stop)
		Eventually(func() (float64, error) {
			return manager.Metric(ctx, "controller_runtime_webhook_requests_in_flight", nil)
		}).WithContext(ctx).Should(BeNumerically(">=", min(len(ask), 8)))
	}

	// served has the API server admit templates and executions of the namespace, and the HTTP API execute one.
	served := func(ctx SpecContext) {
		GinkgoHelper()
		for i := range 3 {
			name := fmt.Sprint("innocent-", i)
			createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) { t.Name = name })
			createExecution(ctx, namespace, name, "hello")
			eventuallyJob(ctx, put(ctx, namespace+"/"+name, "hello").Execution())
		}
	}

	It("is served while strangers claim it in slow reviews", func(ctx SpecContext) {
		object, err := json.Marshal(newTemplate(namespace, func(t *dispatcherv1alpha1.JobTemplate) {
			container(t).Args = []string{"{{ range until 3000 }}{{ range until 3000 }}{{ end }}{{ end }}"}
		}))
		Expect(err).NotTo(HaveOccurred())
		var ask []func(context.Context, int)
		for _, address := range []string{strangersAddress, "127.0.0.3"} {
			client := strangerAt(address)
			for i := range 2 {
				ask = append(ask, func(ctx context.Context, try int) {
					other := fmt.Sprintf("alpine:%d-%d", i, try)
					forged := strings.Replace(string(object), "alpine:latest", other, 1)
					_, _, _ = askWebhook(ctx, client, forgedReview(namespace, forged))
				})
			}
		}
		during(ctx, ask...)
		served(ctx)
	}, NodeTimeout(5*time.Minute))

	It("is served while another one creates many executions of a slow template", func(ctx SpecContext) {
		slow := admin.NewNamespace(ctx)
		createTemplate(ctx, slow, func(t *dispatcherv1alpha1.JobTemplate) {
			t.Spec.SamplePayload = new("quick")
			container(t).Args = []string{`{{ if ne .Payload "quick" }}{{ $v := repeat 200000 "a" }}{{ range until 40 }}` +
				`{{ $_ := regexMatch "(a|aa)*b" $v }}{{ end }}{{ end }}`}
		})
		var ask []func(context.Context, int)
		for i := range 60 {
			ask = append(ask, func(ctx context.Context, try int) {
				_ = admin.Create(ctx, newExecution(slow, fmt.Sprintf("e-%d-%d", i, try), fmt.Sprint(i, try)))
			})
		}
		during(ctx, ask...)
		served(ctx)
	}, NodeTimeout(5*time.Minute))
})
