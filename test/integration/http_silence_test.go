package integration

import (
	"net/http"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"dispatcher.ivan.vc/test/controlplane"
	"dispatcher.ivan.vc/test/user"
)

var _ = Describe("An API server that does not answer", func() {
	// The calls are made side by side: each of them waits until its time is up.
	It("is given up in time, whatever it was asked", func(ctx SpecContext) {
		of := func(resource string) controlplane.Match {
			return func(r controlplane.Request) bool { return r.Resource == resource }
		}
		namespace := admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		// Both answers are known for a while: who the runner is, and what somebody without credentials may here.
		known := newRunner(ctx, namespace)
		callAs(ctx, known, http.MethodGet, "/executions/"+namespace)
		put(ctx, namespace+"/echo", "").Execution()
		unknown := newCaller(ctx, namespace, "unknown", may("jobtemplates/executions", []string{"create"}))
		running := newRunningExecution(ctx)
		call(ctx, http.MethodGet, location(running), nil)

		path := "/execute/" + namespace + "/echo"
		calls := []struct {
			silent     controlplane.Match
			call       func() user.Answer
			code       int
			retryAfter string
		}{
			{creates("jobexecutions", namespace), func() user.Answer { return put(ctx, namespace+"/echo", "") }, 504,
				""},
			{gets(running.Namespace), func() user.Answer { return call(ctx, http.MethodGet, location(running), nil) },
				504, ""},
			{of("tokenreviews"), func() user.Answer { return callAs(ctx, unknown, http.MethodPut, path) }, 503, "5"},
			{of("subjectaccessreviews"), func() user.Answer { return callAs(ctx, known, http.MethodPut, path) }, 503,
				"5"},
		}
		reasons := map[int]string{504: "Timeout", 503: "Unavailable"}
		var answers sync.WaitGroup
		for _, c := range calls {
			DeferCleanup(manager.Proxy.Inject(c.silent, controlplane.Hold(nil)))
			answers.Go(func() {
				defer GinkgoRecover()
				answered := c.call()
				Expect(answered.Code).To(Equal(c.code), answered.Body)
				Expect(answered.Problem().Reason).To(Equal(reasons[c.code]))
				Expect(answered.Header.Get("Retry-After")).To(Equal(c.retryAfter))
			})
		}
		answers.Wait()
		Expect(admin.Executions(ctx, namespace)).To(HaveLen(1), "the one from before")
	})
})
