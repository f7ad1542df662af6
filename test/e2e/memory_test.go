package e2e

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// memoryLimit is that of the Deployment.
const memoryLimit = 512 << 20

var _ = Describe("Whatever callers do", Serial, func() {
	It("the replicas stay below their memory limit", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		template := newTemplate(namespace, "large", "true")
		container(template).Env = []corev1.EnvVar{{Name: "LENGTH", Value: "{{ len .Payload }}"}}
		job(template).Suspend = new(true)
		createTemplate(ctx, template)

		By("letting one address have all places, as many addresses could")
		patch := `[{"op":"add","path":"/spec/template/spec/containers/0/args/-",` +
			`"value":"--shared-source-addresses=0.0.0.0/0,::/0"}]`
		old := replicas(ctx)
		patched := kubectl.Run(ctx, "-n", systemNamespace, "patch", "deployment", deployment, "--type=json", "-p",
			patch)
		Expect(patched.Err).NotTo(HaveOccurred(), patched.Stderr)
		DeferCleanup(func(ctx context.Context) {
			Expect(kubectl.Run(ctx, "apply", "-f", installer()).Err).NotTo(HaveOccurred())
			eventuallyRolledOut(ctx)
		})
		eventuallyRolledOut(ctx)
		eventuallyGone(ctx, old...)

		payload := strings.Repeat("x", 256<<10)
		var executions []string
		for range 20 {
			var stored *dispatcherv1alpha1.JobExecution
			Eventually(func(g Gomega) {
				answered, err := send(ctx, http.MethodPut, "/execute/"+namespace+"/large", payload, nil)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(answered.Code).To(Equal(http.StatusCreated), answered.Body)
				stored = answered.Execution()
			}).WithContext(ctx).Should(Succeed())
			executions = append(executions, stored.Name)
		}
		before := replicas(ctx)

		By("filling every kind of place in both replicas")
		flood := startFlood(ctx)
		for i := range 1700 {
			flood.repeat(http.MethodGet, "/executions/"+namespace+"/"+executions[i%20]+"?wait=300", "", nil)
		}
		for range 200 {
			flood.repeat(http.MethodPut, "/execute/"+namespace+"/large", payload, http.Header{"Prefer": {"wait=300"}})
		}
		for i := range 40 {
			flood.repeat(http.MethodGet, "/executions/"+namespace+"/"+executions[i%20]+"/events", "", nil)
		}
		for i := range 64 {
			accept := []string{"application/json", "application/yaml"}[i%2]
			flood.repeat(http.MethodGet, "/executions/"+namespace, "", http.Header{"Accept": {accept}})
		}
		for range 200 {
			flood.trickle("/execute/" + namespace + "/large")
		}

		By("watching their working sets")
		seen := map[string]map[string]float64{} // by pod and time
		Eventually(func(g Gomega) {
			for _, pod := range before {
				at, bytes := workingSet(ctx, g, pod)
				if seen[pod] == nil {
					seen[pod] = map[string]float64{}
				}
				seen[pod][at] = bytes
			}
			for _, pod := range before {
				g.Expect(len(seen[pod])).To(BeNumerically(">=", 6), "measurements of %s", pod)
			}
		}).WithTimeout(5 * time.Minute).WithContext(ctx).Should(Succeed())
		flood.stop()

		Expect(replicas(ctx)).To(ConsistOf(before))
		for _, name := range before {
			pod := &corev1.Pod{}
			Expect(admin.Get(ctx, client.ObjectKey{Namespace: systemNamespace, Name: name}, pod)).To(Succeed())
			Expect(pod.Status.ContainerStatuses[0].RestartCount).To(BeZero(), "%s was restarted", name)
			largest := slices.Max(slices.Collect(maps.Values(seen[name])))
			AddReportEntry("memory", fmt.Sprintf("%s: at most %.0f MiB", name, largest/(1<<20)), ReportEntryVisibilityAlways)
			Expect(largest).To(BeNumerically("<", memoryLimit))
		}
		By("going on afterwards")
		Eventually(func() (int, error) {
			answered, err := send(ctx, http.MethodPut, "/execute/"+namespace+"/large", "p", nil)
			return answered.Code, err
		}).WithContext(ctx).Should(Equal(http.StatusCreated))
	})
})

// workingSet asks the kubelet for the memory that counts against the limit of a replica, and when it was measured.
func workingSet(ctx context.Context, g Gomega, name string) (at string, bytes float64) {
	pod := &corev1.Pod{}
	g.Expect(admin.Get(ctx, client.ObjectKey{Namespace: systemNamespace, Name: name}, pod)).To(Succeed())
	answered := kubectl.Run(ctx, "get", "--raw", "/api/v1/nodes/"+pod.Spec.NodeName+"/proxy/metrics/resource")
	g.Expect(answered.Err).NotTo(HaveOccurred(), answered.Stderr)
	of := regexp.MustCompile(`(?m)^container_memory_working_set_bytes\{[^}]*pod="` + name + `"[^}]*\} (\S+) (\S+)$`)
	sample := of.FindStringSubmatch(answered.Stdout)
	g.Expect(sample).NotTo(BeNil(), "the kubelet measures %s", name)
	bytes, err := strconv.ParseFloat(sample[1], 64)
	g.Expect(err).NotTo(HaveOccurred())
	return sample[2], bytes
}

// flood are callers that make the same calls again and again.
type flood struct {
	ctx     context.Context
	cancel  context.CancelFunc
	callers sync.WaitGroup
}

func startFlood(ctx context.Context) *flood {
	f := &flood{}
	f.ctx, f.cancel = context.WithCancel(ctx)
	DeferCleanup(f.stop)
	return f
}

// repeat makes one call after the other. What is answered does not matter.
func (f *flood) repeat(method, path, body string, header http.Header) {
	f.callers.Go(func() {
		for f.ctx.Err() == nil {
			_, _ = send(f.ctx, method, path, body, header)
		}
	})
}

// trickle sends the beginning of a large body, and again when the connection is closed.
func (f *flood) trickle(path string) {
	f.callers.Go(func() {
		for f.ctx.Err() == nil {
			connection, err := (&net.Dialer{}).DialContext(f.ctx, "tcp", "127.0.0.1:"+os.Getenv("HTTP_PORT"))
			if err != nil {
				continue
			}
			closed := context.AfterFunc(f.ctx, func() { _ = connection.Close() })
			_, _ = fmt.Fprintf(connection, "PUT %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%s",
				path, 256<<10, strings.Repeat("x", 32<<10))
			_, _ = connection.Read(make([]byte, 1<<10))
			closed()
			_ = connection.Close()
		}
	})
}

func (f *flood) stop() {
	f.cancel()
	f.callers.Wait()
}
