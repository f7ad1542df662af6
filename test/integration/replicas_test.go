package integration

import (
	"context"
	"crypto/tls"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/controlplane"
)

var _ = Describe("Two replicas", func() {
	It("both serve, one leads, and the other takes over when that one is killed", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		leader, other := eventuallyLeader(ctx, startReplicas(ctx))

		By("executing at both")
		first := putTo(ctx, leader, namespace+"/echo", "").Execution()
		second := putTo(ctx, other, namespace+"/echo", "").Execution()
		eventuallyState(ctx, first, running)
		eventuallyState(ctx, second, running)
		Expect(other.Proxy.Requests(creates("jobs", namespace))).To(BeEmpty())

		By("killing the leader")
		leader.Kill()
		third := putTo(ctx, other, namespace+"/echo", "").Execution()
		endPods(ctx, first, corev1.PodSucceeded)
		eventuallyState(ctx, first, succeeded)
		eventuallyState(ctx, third, running)
		Expect(admin.Jobs(ctx, namespace)).To(HaveLen(3))
	})

	It("hand over at once when the leader is asked to stop, and refuse nobody meanwhile", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		leader, other := eventuallyLeader(ctx, startReplicas(ctx))
		holder := leaseHolder(ctx)
		Expect(holder).NotTo(BeEmpty())
		process := leader.Terminate()
		execution := putTo(ctx, other, namespace+"/echo", "").Execution()
		Expect(process.ExitCode()).To(BeZero())
		// Had it not been handed over, it would be held until it has run out.
		Expect(leaseHolder(ctx)).NotTo(Equal(holder))
		eventuallyState(ctx, execution, running)
		Expect(leads(ctx, other)).To(BeTrue())
	})
})

var _ = Describe("A leader that loses the Lease", func() {
	It("goes on serving, and the work goes on when the Lease is free again", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		leader, other := eventuallyLeader(ctx, startReplicas(ctx))
		before := putTo(ctx, leader, namespace+"/echo", "").Execution()
		eventuallyState(ctx, before, running)
		processes := []int{leader.PID(), other.PID()}

		// A leader tries for ten seconds to get it back.
		takeLease(ctx, 12)
		meanwhile := putTo(ctx, other, namespace+"/echo", "").Execution()
		endPods(ctx, before, corev1.PodSucceeded)
		tried := newExecution(namespace, "tried", "")
		Eventually(func(g Gomega) {
			for _, replica := range []*controlplane.Manager{leader, other} {
				Expect(replica.Ready(ctx)).To(BeTrue(), "%s is ready", replica.URL)
				_, err := send(ctx, replica, http.MethodGet, "/templates/"+namespace, "", nil)
				Expect(err).NotTo(HaveOccurred())
			}
			Expect(admin.Create(ctx, tried.DeepCopy(), client.DryRunAll)).To(Succeed())
			for execution, want := range map[*dispatcherv1alpha1.JobExecution]string{before: succeeded,
				meanwhile: running} {
				g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(execution), execution)).To(Succeed())
				g.Expect(state(execution)).To(Equal(want))
			}
		}).WithContext(ctx).WithPolling(200 * time.Millisecond).Should(Succeed())
		Expect([]int{leader.PID(), other.PID()}).To(Equal(processes))
		Expect([]bool{leader.Running(), other.Running()}).To(HaveEach(BeTrue()))
		Expect(admin.Jobs(ctx, namespace)).To(HaveLen(2))
	})
})

var _ = Describe("A manager that loses its connections to the API server", func() {
	It("takes up where it was", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		execution := createExecution(ctx, namespace, "cut", "")
		eventuallyState(ctx, execution, running)
		everything := func(controlplane.Request) bool { return true }
		remove := manager.Proxy.Inject(everything, controlplane.Unreachable())
		DeferCleanup(remove)
		manager.Proxy.CutConnections()
		endPods(ctx, execution, corev1.PodSucceeded)
		Eventually(func(g Gomega) {
			created := eventuallyJob(ctx, execution)
			g.Expect(created.Status.CompletionTime).NotTo(BeNil())
		}).WithContext(ctx).Should(Succeed())
		remove()
		eventuallyState(ctx, execution, succeeded)
	})
})

var _ = Describe("A webhook certificate that is replaced", func() {
	It("is used at once, and no admission fails meanwhile", func(ctx SpecContext) {
		namespace := admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		admit := func() error { return admin.Create(ctx, newExecution(namespace, "tried", ""), client.DryRunAll) }
		Expect(admit()).To(Succeed())
		before := servedCertificate(ctx)

		trustNewOnly, err := plane.ReplaceCertificate(ctx)
		Expect(err).NotTo(HaveOccurred())
		Eventually(func(g Gomega) {
			g.Expect(admit()).To(Succeed())
			g.Expect(servedCertificate(ctx)).NotTo(Equal(before))
		}).WithContext(ctx).Should(Succeed())
		Expect(trustNewOnly()).To(Succeed())
		for range 20 {
			Expect(admit()).To(Succeed())
		}
		put(ctx, namespace+"/echo", "").Execution()
	})
})

// startReplicas starts two managers that elect a leader, in place of the suite's, which comes back when the spec ends.
func startReplicas(ctx context.Context) []*controlplane.Manager {
	GinkgoHelper()
	restartAfterwards()
	manager.Kill()
	freeLease(ctx) // The leader of an earlier spec was killed, and may still hold it.
	var replicas []*controlplane.Manager
	for _, name := range []string{"first", "second"} {
		replica, err := plane.NewManager(name, managerBinary, identity,
			"--leader-elect", "--leader-election-namespace="+managerNamespace)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(replica.Close)
		Expect(replica.Start(ctx)).To(Succeed())
		replicas = append(replicas, replica)
	}
	return replicas
}

// freeLease takes the Lease from a leader that was killed, which would hold it for a quarter of a minute.
func freeLease(ctx context.Context) {
	GinkgoHelper()
	Expect(admin.DeleteAllOf(ctx, &coordinationv1.Lease{}, client.InNamespace(managerNamespace))).To(Succeed())
}

// eventuallyLeader waits until one of two replicas leads, and only one. That one comes first.
func eventuallyLeader(ctx context.Context, replicas []*controlplane.Manager) (leader, other *controlplane.Manager) {
	GinkgoHelper()
	leader, other = replicas[0], replicas[1]
	Eventually(func() bool {
		if leads(ctx, other) {
			leader, other = other, leader
		}
		return leads(ctx, leader)
	}).WithContext(ctx).Should(BeTrue())
	Expect(leads(ctx, other)).To(BeFalse())
	return leader, other
}

func leads(ctx context.Context, replica *controlplane.Manager) bool {
	GinkgoHelper()
	leading, err := replica.Metric(ctx, "leader_election_master_status", nil)
	Expect(err).NotTo(HaveOccurred())
	return leading == 1
}

// leaseHolder is who holds the Lease of the managers, or nobody.
func leaseHolder(ctx context.Context) string {
	GinkgoHelper()
	leases := &coordinationv1.LeaseList{}
	Expect(admin.List(ctx, leases, client.InNamespace(managerNamespace))).To(Succeed())
	Expect(leases.Items).To(HaveLen(1))
	return ptr.Deref(leases.Items[0].Spec.HolderIdentity, "")
}

// takeLease gives the Lease of the managers to somebody who does nothing with it, for some seconds.
func takeLease(ctx context.Context, seconds int32) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		leases := &coordinationv1.LeaseList{}
		g.Expect(admin.List(ctx, leases, client.InNamespace(managerNamespace))).To(Succeed())
		g.Expect(leases.Items).To(HaveLen(1))
		lease := &leases.Items[0]
		now := metav1.NowMicro()
		lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds = new("nobody"), &seconds
		lease.Spec.AcquireTime, lease.Spec.RenewTime = &now, &now
		g.Expect(admin.Update(ctx, lease)).To(Succeed())
	}).WithContext(ctx).Should(Succeed())
}

// servedCertificate is what the suite's manager shows to a new client of its webhooks.
func servedCertificate(ctx context.Context) []byte {
	GinkgoHelper()
	// Who serves is not in doubt here, only what is served.
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // see above
	connection, err := dialer.DialContext(ctx, "tcp", manager.WebhookAddress())
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = connection.Close() }()
	return connection.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw
}
