package e2e

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/user"
)

var _ = Describe("The logs of an execution over HTTP", func() {
	var namespace string
	var runner http.Header // The right to read logs is not everybody's.

	BeforeEach(func(ctx SpecContext) {
		namespace = newNamespace(ctx)
		runner = http.Header{"Authorization": {"Bearer " + runnerToken(ctx, namespace)}}
	})

	logs := func(ctx context.Context, execution *dispatcherv1alpha1.JobExecution, query string) user.Answer {
		GinkgoHelper()
		answered, err := send(ctx, http.MethodGet, "/executions/"+namespace+"/"+execution.Name+"/logs"+query, "",
			runner)
		Expect(err).NotTo(HaveOccurred())
		return answered
	}

	It("are what its pod printed, byte for byte, whole or in part", func(ctx SpecContext) {
		template := newTemplate(namespace, "print", "sh", "-c",
			`printf 'one\ntwo\n\001\377three\n'; printf '%s' "$PAYLOAD"`)
		pod := &job(template).Template.Spec
		pod.Containers = append(pod.Containers, corev1.Container{Name: "side", Image: "busybox",
			Command: []string{"echo", "from the side"}})
		pod.InitContainers = []corev1.Container{{Name: "init", Image: "busybox",
			Command: []string{"echo", "from the beginning"}}}
		createTemplate(ctx, template)
		execution := put(ctx, namespace, "print", "\nhéllo\n$(HOME)").Execution()
		Expect(eventuallyFinished(ctx, execution).Reason).To(Equal("Succeeded"))

		nobody, err := send(ctx, http.MethodGet, "/executions/"+namespace+"/"+execution.Name+"/logs", "", nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(nobody.Code).To(Equal(http.StatusUnauthorized))
		whole := logs(ctx, execution, "")
		Expect(whole.Code).To(Equal(http.StatusOK), whole.Body)
		Expect(whole.Header.Get("Content-Type")).To(Equal("text/plain; charset=utf-8"))
		Expect(whole.Body).To(Equal(logOfContainer(ctx, execution, "main")))
		Expect(whole.Body).To(Equal("one\ntwo\n\x01\xffthree\n\nhéllo\n$(HOME)"))
		Expect(logs(ctx, execution, "?follow=true").Body).To(Equal(whole.Body))

		Expect(logs(ctx, execution, "?container=side").Body).To(Equal("from the side\n"))
		Expect(logs(ctx, execution, "?container=init").Body).To(Equal("from the beginning\n"))
		Expect(logs(ctx, execution, "?container=side&timestamps=true").Body).
			To(MatchRegexp(`^\d{4}-\d\d-\d\dT\S+Z from the side\n$`))
		Expect(logs(ctx, execution, "?tailLines=0").Body).To(BeEmpty())
		Expect(logs(ctx, execution, "?tailLines=1").Body).To(Equal("$(HOME)"))
		wrong := logs(ctx, execution, "?container=nope")
		Expect(wrong.Code).To(Equal(http.StatusBadRequest))
		Expect(wrong.Problem().Errors).To(ConsistOf(HaveField("Detail", ContainSubstring("main, side, init"))))

		By("removing the pod")
		Expect(admin.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(namespace))).To(Succeed())
		Eventually(func(g Gomega) {
			gone := logs(ctx, execution, "")
			g.Expect(gone.Code).To(Equal(http.StatusNotFound), gone.Body)
			g.Expect(gone.Problem().Detail).To(ContainSubstring("removed"))
		}).WithContext(ctx).Should(Succeed())
	})

	It("are those of the init container that failed, and say so of the one that never started", func(ctx SpecContext) {
		template := newTemplate(namespace, "init", "echo", "from the main container")
		pod := &job(template).Template.Spec
		pod.InitContainers = []corev1.Container{
			{Name: "fetch", Image: "busybox", Command: []string{"echo", "fetched"}},
			{Name: "migrate", Image: "busybox", Command: []string{"sh", "-c", "echo no database; exit 3"}},
		}
		createTemplate(ctx, template)
		execution := put(ctx, namespace, "init", "").Execution()
		Expect(eventuallyFinished(ctx, execution).Reason).To(Equal("BackoffLimitExceeded"))
		for _, query := range []string{"", "?follow=true", "?container=migrate"} {
			failed := logs(ctx, execution, query)
			Expect(failed.Code).To(Equal(http.StatusOK), failed.Body)
			Expect(failed.Body).To(Equal("no database\n"), query)
		}
		main := logs(ctx, execution, "?container="+container(template).Name)
		Expect(main.Code).To(Equal(http.StatusNotFound), main.Body)
		Expect(main.Problem().Reason).To(BeEquivalentTo("NoLog"))
		Expect(main.Problem().Errors).To(ConsistOf(HaveField("Detail", And(
			ContainSubstring("fetch"), ContainSubstring("migrate")))))
	})

	It("are empty only of a container that ran and printed nothing", func(ctx SpecContext) {
		createTemplate(ctx, newTemplate(namespace, "silent", "true"))
		silent := put(ctx, namespace, "silent", "").Execution()
		Expect(eventuallyFinished(ctx, silent).Reason).To(Equal("Succeeded"))
		answered := logs(ctx, silent, "")
		Expect(answered.Code).To(Equal(http.StatusOK))
		Expect(answered.Body).To(BeEmpty())

		template := newTemplate(namespace, "blocked", "true")
		container(template).EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: "missing"}}}}
		createTemplate(ctx, template)
		blocked := put(ctx, namespace, "blocked", "").Execution()
		Eventually(func(g Gomega) {
			none := logs(ctx, blocked, "")
			g.Expect(none.Code).To(Equal(http.StatusNotFound), none.Body)
			g.Expect(none.Problem().Reason).To(BeEquivalentTo("NoLog"))
			g.Expect(none.Problem().Detail).To(ContainSubstring("CreateContainerConfigError"))
		}).WithContext(ctx).Should(Succeed())
	})

	It("are followed as they are printed, and end with the execution", func(ctx SpecContext) {
		// It goes on only when what it has printed was seen.
		createTemplate(ctx, newTemplate(namespace, "print", "sh", "-c",
			"for i in 1 2 3; do echo line $i; until [ -e /go$i ]; do sleep 0.1; done; done"))
		execution := put(ctx, namespace, "print", "").Execution()
		lines := follow(ctx, runner, execution)
		for _, number := range []string{"1", "2", "3"} {
			Eventually(lines).WithContext(ctx).Should(Receive(Equal("line " + number)))
			Consistently(lines, "100ms").ShouldNot(Receive())
			of := admin.Pods(ctx, execution)
			Expect(of).To(HaveLen(1))
			touched := kubectl.Run(ctx, "-n", namespace, "exec", of[0].Name, "--", "touch", "/go"+number)
			Expect(touched.Err).NotTo(HaveOccurred(), touched.Stderr)
		}
		Eventually(lines).WithContext(ctx).Should(BeClosed())
		Expect(eventuallyFinished(ctx, execution).Reason).To(Equal("Succeeded"))
	})

	It("are followed through the pods of all tries", func(ctx SpecContext) {
		template := newTemplate(namespace, "fail", "sh", "-c", "echo try of $HOSTNAME; exit 1")
		job(template).BackoffLimit = new(int32(1))
		createTemplate(ctx, template)
		execution := put(ctx, namespace, "fail", "").Execution()
		lines := follow(ctx, runner, execution)
		var seen []string
		for range 2 {
			var line string
			Eventually(lines).WithContext(ctx).Should(Receive(&line))
			seen = append(seen, line)
		}
		Eventually(lines).WithContext(ctx).Should(BeClosed())
		Expect(eventuallyFinished(ctx, execution).Reason).To(Equal("BackoffLimitExceeded"))
		var want []string
		for _, pod := range admin.Pods(ctx, execution) {
			want = append(want, "try of "+pod.Name)
		}
		Expect(seen).To(ConsistOf(want))
		Expect(strings.Split(strings.TrimSpace(logs(ctx, execution, "").Body), "\n")).To(Equal(seen))
	})

	It("are followed through the restarts of a container", func(ctx SpecContext) {
		template := newTemplate(namespace, "restart", "sh", "-c",
			"echo x >>/tries/n; echo try $(wc -l </tries/n); [ $(wc -l </tries/n) -ge 2 ]")
		pod := &job(template).Template.Spec
		pod.RestartPolicy = corev1.RestartPolicyOnFailure
		job(template).BackoffLimit = new(int32(3))
		pod.Volumes = []corev1.Volume{{Name: "tries",
			VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
		container(template).VolumeMounts = []corev1.VolumeMount{{Name: "tries", MountPath: "/tries"}}
		createTemplate(ctx, template)
		lines := follow(ctx, runner, put(ctx, namespace, "restart", "").Execution())
		Eventually(lines).WithContext(ctx).Should(Receive(Equal("try 1")))
		Eventually(lines).WithContext(ctx).Should(Receive(Equal("try 2")))
		Eventually(lines).WithContext(ctx).Should(BeClosed())
	})

	It("end when the execution is canceled", func(ctx SpecContext) {
		createTemplate(ctx, newTemplate(namespace, "wait", "sh", "-c", "echo waiting; sleep 3600"))
		execution := put(ctx, namespace, "wait", "").Execution()
		lines := follow(ctx, runner, execution)
		Eventually(lines).WithContext(ctx).Should(Receive(Equal("waiting")))
		canceled := &dispatcherv1alpha1.JobExecution{ObjectMeta: metav1.ObjectMeta{Namespace: namespace,
			Name: execution.Name}}
		Expect(admin.Patch(ctx, canceled, client.RawPatch("application/merge-patch+json",
			[]byte(`{"spec":{"canceled":true}}`)))).To(Succeed())
		Eventually(lines).WithContext(ctx).Should(BeClosed())
		Expect(logs(ctx, execution, "").Code).To(BeElementOf(http.StatusOK, http.StatusNotFound))
	})
})

// follow follows the logs of an execution. The channel has their lines, and is closed when they end well.
func follow(ctx context.Context, caller http.Header, execution *dispatcherv1alpha1.JobExecution) <-chan string {
	GinkgoHelper()
	url := "http://127.0.0.1:" + os.Getenv("HTTP_PORT") + "/executions/" + execution.Namespace + "/" + execution.Name +
		"/logs?follow=true"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	Expect(err).NotTo(HaveOccurred())
	request.Header = caller.Clone()
	response, err := http.DefaultTransport.RoundTrip(request) // It connects to the loopback, which no proxy is asked for.
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(response.Body.Close)
	Expect(response.StatusCode).To(Equal(http.StatusOK))
	lines := make(chan string, 100)
	go func() {
		scanner := bufio.NewScanner(response.Body)
		for scanner.Scan() {
			lines <- scanner.Text()
		}
		if scanner.Err() == nil {
			close(lines)
		}
	}()
	return lines
}
