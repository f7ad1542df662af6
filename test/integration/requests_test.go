package integration

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/controlplane"
)

// answer is what a caller of the HTTP API gets.
type answer struct {
	code   int
	header http.Header
	body   string
}

// problem is a body of application/problem+json (RFC 9457).
type problem struct {
	Type, Title, Detail, Reason, RequestID string
	Status                                 int
	Errors                                 []struct{ Field, Detail string }
}

// put executes a template, named as in the path, at the suite's manager.
func put(ctx context.Context, target, payload string) answer {
	GinkgoHelper()
	return putTo(ctx, manager, target, payload)
}

func putTo(ctx context.Context, m *controlplane.Manager, target, payload string) answer {
	GinkgoHelper()
	answered, err := send(ctx, m, http.MethodPut, "/execute/"+target, payload, nil)
	Expect(err).NotTo(HaveOccurred())
	return answered
}

func send(ctx context.Context, m *controlplane.Manager, method, path, payload string, header http.Header) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, m.URL+path, strings.NewReader(payload))
	if err != nil {
		return answer{}, err
	}
	maps.Copy(request.Header, header)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return answer{code: response.StatusCode, header: response.Header, body: string(body)}, err
}

// execution is the one that was created.
func (a answer) execution() *dispatcherv1alpha1.JobExecution {
	GinkgoHelper()
	Expect(a.code).To(Equal(http.StatusCreated), a.body)
	execution := &dispatcherv1alpha1.JobExecution{}
	Expect(json.Unmarshal([]byte(a.body), execution)).To(Succeed())
	return execution
}

// problem is why nothing was created.
func (a answer) problem() problem {
	GinkgoHelper()
	Expect(a.header.Get("Content-Type")).To(Equal("application/problem+json"), a.body)
	var p problem
	Expect(json.Unmarshal([]byte(a.body), &p)).To(Succeed())
	Expect(p.Status).To(Equal(a.code))
	Expect(p.Title).To(Equal(http.StatusText(a.code)))
	Expect(p.RequestID).To(And(Not(BeEmpty()), Equal(a.header.Get("X-Request-Id"))))
	return p
}

// fields are those that a problem names.
func (p problem) fields() []string {
	fields := make([]string, 0, len(p.Errors))
	for _, e := range p.Errors {
		fields = append(fields, e.Field)
	}
	return fields
}
