package integration

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/user"
)

// The requests are written to the connection as they are, since a client would mend or refuse most of them.
var _ = Describe("A bad request", Ordered, ContinueOnFailure, func() {
	var (
		namespace string
		caller    string
		before    map[types.UID]bool
	)

	BeforeAll(func(ctx SpecContext) {
		namespace = admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
		createTemplate(ctx, namespace, func(t *dispatcherv1alpha1.JobTemplate) { t.Name = "needs-a-name" },
			value(`{{ required "name is missing" (get (fromJson .Payload) "name") }}`),
			func(t *dispatcherv1alpha1.JobTemplate) { t.Spec.SamplePayload = new(`{"name":"x"}`) })
		caller = newOmnipotent(ctx, namespace).Get("Authorization")
		before = map[types.UID]bool{}
		for _, execution := range admin.Executions(ctx, "") {
			before[execution.UID] = true
		}
	})

	AfterAll(func(ctx SpecContext) {
		for _, execution := range admin.Executions(ctx, "") {
			Expect(before).
				To(HaveKey(execution.UID), "the execution %s/%s was created", execution.Namespace, execution.Name)
		}
		Expect(admin.Jobs(ctx, namespace)).To(BeEmpty())
		Expect(put(ctx, namespace+"/echo", "").Execution().Name).NotTo(BeEmpty(), "a good request")
	})

	for _, group := range []struct {
		name     string
		requests []badRequest
	}{{"path", badPaths}, {"method", badMethods}, {"header", badHeaders}, {"credentials", badCredentials}, {"query",
		badQueries}, {"body", badBodies}, {"protocol", noHTTP}} {
		for _, bad := range group.requests {
			It(fmt.Sprintf("in its %s: %s", group.name, bad.why), func(ctx SpecContext) {
				want := strings.Split(bad.answers, "\n")
				answers := exchange(ctx, strings.NewReplacer("NAMESPACE", namespace, credentials,
					caller).Replace(bad.sent), len(want))
				Expect(strings.ReplaceAll(answers, namespace, "NAMESPACE")).To(Equal(bad.answers))
				Expect(admin.Executions(ctx, namespace)).To(BeEmpty())
			})
		}
	}
})

// exchange sends bytes to the suite's manager and returns as many answers, each in one line. A server that leaves the
// connection open after the last one has to answer another request on it: nothing that was sent may be left over.
func exchange(ctx context.Context, sent string, answers int) string {
	GinkgoHelper()
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(manager.URL, "http://"))
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = connection.Close() }()
	Expect(connection.SetDeadline(time.Now().Add(time.Minute))).To(Succeed())
	written := make(chan struct{})
	go func() {
		defer close(written)
		// A server need not read what it has refused.
		text, hangsUp := strings.CutSuffix(sent, hangUp)
		_, _ = io.WriteString(connection, text)
		if hangsUp {
			_ = connection.(*net.TCPConn).CloseWrite()
		}
	}()
	reader := bufio.NewReader(connection)
	var lines []string
	closed := false
	for len(lines) < answers && !closed {
		var line string
		line, closed = readAnswer(reader, sent)
		lines = append(lines, line)
	}
	if closed {
		_, err := reader.ReadByte()
		Expect(err).To(HaveOccurred(), "after an answer that closes the connection")
		var timeout net.Error
		Expect(errors.As(err, &timeout) && timeout.Timeout()).To(BeFalse(), "the connection must be closed")
		return strings.Join(lines, "\n")
	}
	Eventually(written).WithContext(ctx).Should(BeClosed())
	_, err = io.WriteString(connection, request("OPTIONS", "/openapi.yaml"))
	Expect(err).NotTo(HaveOccurred())
	line, _ := readAnswer(reader, "OPTIONS ")
	Expect(line).To(HavePrefix("204 "), "the next request on the connection")
	return strings.Join(lines, "\n")
}

// readAnswer reads one answer, holds it to openapi.yaml where that knows such requests, and returns it in one line.
func readAnswer(reader *bufio.Reader, sent string) (line string, closed bool) {
	GinkgoHelper()
	method, rest, _ := strings.Cut(sent, " ")
	target, _, _ := strings.Cut(rest, " ")
	asked := &http.Request{Method: method}
	response, err := http.ReadResponse(reader, asked)
	Expect(err).NotTo(HaveOccurred())
	if asked.URL, err = url.ParseRequestURI(target); err == nil && response.Header.Get("X-Request-Id") != "" {
		Expect(described.check(asked, response)).To(Succeed())
	}
	body, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	return summary(response, body), response.Close
}

// summary is what a program goes by in an answer: the status, the reason, the fields that are wrong, some headers, and
// whether the connection ends. Sentences may change.
func summary(response *http.Response, body []byte) string {
	GinkgoHelper()
	line := fmt.Sprint(response.StatusCode)
	var refused user.Problem
	switch {
	case response.Header.Get("Content-Type") != "application/problem+json":
		// It is net/http's own, which is not ours to pin.
	case len(body) == 0:
		line += " without a body"
	default:
		Expect(json.Unmarshal(body, &refused)).To(Succeed())
		Expect(refused.Status).To(Equal(response.StatusCode))
		Expect(refused.Detail).NotTo(BeEmpty())
		line += " " + refused.Reason
		for _, e := range refused.Errors {
			line += " " + cmp.Or(e.Field, "(empty)")
		}
	}
	for _, name := range []string{"Allow", "WWW-Authenticate", "Retry-After", "Accept-Encoding", "Location"} {
		if value := response.Header.Get(name); value != "" {
			line += " [" + name + ": " + value + "]"
		}
	}
	if response.Close {
		line += " [closed]"
	}
	return line
}
