package e2e

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

const (
	// generatedPayloads are as many as make an error of one in a hundred nearly certain to be seen.
	generatedPayloads = 210

	// payloadCallers run at once. A node of two cores starts two or three pods a second.
	payloadCallers = 24

	// largestPayload of a variable called PAYLOAD: Linux gives a process strings of 128 KiB, the NUL at their end
	// included.
	largestPayload = 32*4096 - 1 - len("PAYLOAD=")
)

var _ = Describe("A payload", func() {
	It("arrives byte for byte: as a variable, by a reference to it, and as an argument", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		// The process writes what the kernel gave it: no shell and no echo has a say in it.
		template := newTemplate(namespace, "write", "sh", "-c",
			"base64 -w 0 /proc/1/environ; echo; base64 -w 0 /proc/1/cmdline; echo",
			"sh", "$(PAYLOAD)", "{{ .Payload }}", "$(DB_PASSWORD){{ .Payload }}$(DB_PASSWORD)")
		container(template).Env = append([]corev1.EnvVar{{Name: "DB_PASSWORD", Value: "secret"}},
			container(template).Env...)
		spareThePod(template)
		createTemplate(ctx, template)

		seed := uint64(GinkgoRandomSeed())
		payloads := append(adversarialPayloads(), generatePayloads(rand.New(rand.NewPCG(seed, seed)))...)
		started := time.Now()
		inParallel(payloadCallers, payloads, func(payload string) {
			execution := put(ctx, namespace, template.Name, payload).Execution()
			Expect(execution.Spec.Payload).To(Equal(payload), "in the answer")
			Expect(eventuallyFinished(ctx, execution).Reason).
				To(Equal("Succeeded"), "for payload %q", abridged(payload))
			variables, arguments := processStrings(logOf(ctx, execution))
			Expect(variables).To(ContainElement("PAYLOAD="+payload), "the variable, for payload %q", abridged(payload))
			Expect(arguments).To(HaveLen(7))
			Expect(arguments[4:]).
				To(Equal([]string{payload, payload, "secret" + payload + "secret"}), "the arguments, for payload %q",
					abridged(payload))
		})
		AddReportEntry("payloads", fmt.Sprintf("%d payloads in %.0f s, seed %d", len(payloads),
			time.Since(started).Seconds(), seed),
			ReportEntryVisibilityAlways)
	})

	It("arrives when it is as large as a variable can be, and is refused when it is a byte larger",
		func(ctx SpecContext) {
			namespace := newNamespace(ctx)
			createTemplate(ctx, newTemplate(namespace, "write", "sh", "-c", "base64 -w 0 /proc/1/environ; echo"))

			largest := strings.Repeat("$", largestPayload) // each of them is escaped, and unescaped by the kubelet
			execution := put(ctx, namespace, "write", largest).Execution()
			Expect(eventuallyFinished(ctx, execution).Reason).To(Equal("Succeeded"))
			variables, _ := processStrings(logOf(ctx, execution))
			Expect(variables).To(ContainElement("PAYLOAD=" + largest))

			refused := put(ctx, namespace, "write", largest+"$")
			Expect(refused.Code).To(Equal(http.StatusUnprocessableEntity))
			Expect(refused.Problem().Errors).To(ConsistOf(And(
				HaveField("Field", "spec.jobTemplate.spec.template.spec.containers[0].env[0].value"),
				HaveField("Detail", ContainSubstring("131072 bytes")))))
			Expect(admin.Executions(ctx, namespace)).To(HaveLen(1), "what is refused leaves nothing behind")
			Expect(admin.Jobs(ctx, namespace)).To(HaveLen(1))
		})

	It("is refused when no variable can hold it", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		createTemplate(ctx, newTemplate(namespace, "write", "true"))
		refused := put(ctx, namespace, "write", "a NUL\x00 in it")
		Expect(refused.Code).To(Equal(http.StatusUnprocessableEntity))
		Expect(refused.Problem().Errors).To(ConsistOf(And(
			HaveField("Field", "spec.jobTemplate.spec.template.spec.containers[0].env[0].value"),
			HaveField("Detail", ContainSubstring("has a NUL byte")))))
		Expect(admin.Executions(ctx, namespace)).To(BeEmpty())
	})
})

// spareThePod leaves out what this spec does not look at, a network and a token, so that a pod takes half the time.
func spareThePod(template *dispatcherv1alpha1.JobTemplate) {
	pod := &job(template).Template.Spec
	pod.HostNetwork = true
	pod.AutomountServiceAccountToken = new(false)
	pod.EnableServiceLinks = new(false)
}

// adversarialPayloads are those that something on the way might take for syntax of its own: the kubelet, a shell, a
// template engine, JSON, YAML, the container runtime, or the writer of a log.
func adversarialPayloads() []string {
	return []string{
		"", " ", "\n", "\r\n", "a\n", "\na", "a\n\n", "\t", "'", `"`, "`", `\`, `\\`, `\n`, `\x00`, `"'"'`, "'$(id)'",
		"`id`", "${PAYLOAD}",
		"$", "$$", "$$$", "$(", "$()", "$)", "$(HOME)", "$$(HOME)", "$$$(HOME)", "$(PAYLOAD)", "$(DB_PASSWORD)", "$$5",
		"$5", "a$", "(DB_PASSWORD)",
		"DB_PASSWORD)", "$(DB_PASSWORD", "$(A$(DB_PASSWORD))", "{{ .Payload }}", "{{", "}}", "{{ fail `no` }}",
		"%s%d%n", "%00", "&amp;<b>",
		"- a: *b\n  c: &d [", "!!binary aGk=", "null", "true", "0x10", "~", "#", "--", "-n", "-e \\a", "a=b",
		"PAYLOAD=b", "a\nDB_PASSWORD=leak",
		`{"a": "b\u0000"}`, "\u00a0", "\u2028\u2029", "\ufeff", "\ufffd", "\U0010ffff", "é", "e\u0301", "日本語",
		"👩‍👩‍👧‍👦🏳️‍🌈", "\u202eabc",
		"\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f",
		"\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b[31m\x1c\x1d\x1e\x1f\x7f", "\u0080\u009f",
		strings.Repeat("a", 16<<10), strings.Repeat("\\\"$\n", 4<<10), strings.Repeat("👍",
			25_000), strings.Repeat("0123456789", 10_000),
	}
}

// generatePayloads returns short and long mixtures of what is awkward and what is not.
func generatePayloads(random *rand.Rand) []string {
	pieces := append(adversarialPayloads()[:70], "abc", "HOME", "PAYLOAD", ")", "(", "=", ";", "|", "*", "?", "~")
	payloads := make([]string, generatedPayloads)
	for i := range payloads {
		var text strings.Builder
		for range 1 + random.IntN(30) {
			if random.IntN(3) == 0 {
				text.WriteRune(1 + rune(random.IntN(0xd7ff))) // from U+0001 to the surrogates, which are not characters
				continue
			}
			text.WriteString(pieces[random.IntN(len(pieces))])
		}
		payloads[i] = text.String()
	}
	return payloads
}

// inParallel calls a function for each value, on several goroutines. All are called, though one of them fails.
func inParallel[T any](callers int, values []T, call func(T)) {
	GinkgoHelper()
	queue := make(chan T, len(values))
	for _, value := range values {
		queue <- value
	}
	close(queue)
	var workers sync.WaitGroup
	for range callers {
		workers.Go(func() {
			for value := range queue {
				func() {
					defer GinkgoRecover()
					call(value)
				}()
			}
		})
	}
	workers.Wait()
}

// processStrings decodes the two lines that such a process writes: its variables, and its words.
func processStrings(printed string) (variables, words []string) {
	GinkgoHelper()
	first, second, _ := strings.Cut(printed, "\n")
	return nulTerminated(first), nulTerminated(second)
}

func nulTerminated(encoded string) []string {
	GinkgoHelper()
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	Expect(err).NotTo(HaveOccurred())
	return strings.Split(strings.TrimSuffix(string(decoded), "\x00"), "\x00")
}

// abridged keeps what a failure prints on a screen.
func abridged(payload string) string {
	if len(payload) > 200 {
		return fmt.Sprintf("%s... (%d bytes)", payload[:200], len(payload))
	}
	return payload
}
