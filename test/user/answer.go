package user

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// Answer is what a caller of the HTTP API gets.
type Answer struct {
	Code   int
	Header http.Header
	Body   string
}

// Problem is a body of application/problem+json (RFC 9457).
type Problem struct {
	Type, Title, Detail, Reason, RequestID string
	Status                                 int
	Errors                                 []struct{ Field, Detail string }
}

// Send makes one request and reads the whole answer, whatever it is. The header may be nil, and its Host takes the
// place of the URL's. Send may be called outside of a spec's own goroutine: it asserts nothing.
func Send(ctx context.Context, caller *http.Client, method, url, body string, header http.Header) (Answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	maps.Copy(request.Header, header)
	request.Host = cmp.Or(header.Get("Host"), request.Host)
	response, err := caller.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	return Answer{Code: response.StatusCode, Header: response.Header, Body: string(read)}, err
}

// Execution is the one that was created.
func (a Answer) Execution() *dispatcherv1alpha1.JobExecution {
	ginkgo.GinkgoHelper()
	return a.ExecutionOf(http.StatusCreated)
}

// ExecutionOf is the one that an answer with this status code holds.
func (a Answer) ExecutionOf(code int) *dispatcherv1alpha1.JobExecution {
	ginkgo.GinkgoHelper()
	gomega.Expect(a.Code).To(gomega.Equal(code), a.Body)
	execution := &dispatcherv1alpha1.JobExecution{}
	gomega.Expect(json.Unmarshal([]byte(a.Body), execution)).To(gomega.Succeed())
	return execution
}

// Problem is why a call was refused. It has to agree with the answer that it came with.
func (a Answer) Problem() Problem {
	ginkgo.GinkgoHelper()
	gomega.Expect(a.Header.Get("Content-Type")).To(gomega.Equal("application/problem+json"), a.Body)
	var p Problem
	gomega.Expect(json.Unmarshal([]byte(a.Body), &p)).To(gomega.Succeed())
	gomega.Expect(p.Status).To(gomega.Equal(a.Code))
	gomega.Expect(p.Title).To(gomega.Equal(http.StatusText(a.Code)))
	gomega.Expect(p.RequestID).To(gomega.And(gomega.Not(gomega.BeEmpty()), gomega.Equal(a.Header.Get("X-Request-Id"))))
	return p
}

// Fields are those that a problem names.
func (p Problem) Fields() []string {
	fields := make([]string, 0, len(p.Errors))
	for _, e := range p.Errors {
		fields = append(fields, e.Field)
	}
	return fields
}
