package httpapi

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/budget"
	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// claimedOf is how much of a budget is claimed.
func claimedOf(b *budget.Bytes, size int64) int64 {
	low, high := int64(0), size // low can be taken, and high+1 can not
	for low < high {
		middle := (low + high + 1) / 2
		claim := b.TryTakeApart("", middle, middle)
		if claim == nil {
			high = middle - 1
			continue
		}
		claim.Release()
		low = middle
	}
	return size - low
}

func claimed(m *memory) int64 {
	return claimedOf(m.firstPieces, firstPiecesBudget) + claimedOf(m.bodies, bodiesBudget) +
		claimedOf(m.reads, readsBudget) + claimedOf(m.lists, listsBudget)
}

// claimsRecorder knows how much was claimed while the largest part of an answer was written.
type claimsRecorder struct {
	*httptest.ResponseRecorder
	memory           *memory
	largest, claimed int64
}

func (r *claimsRecorder) Write(part []byte) (int, error) {
	if size := int64(len(part)); size > r.largest {
		r.largest, r.claimed = size, claimed(r.memory)
	}
	return r.ResponseRecorder.Write(part)
}

// Flush implements http.Flusher, for streams.
func (r *claimsRecorder) Flush() {}

// answerWithObject is a call that answers with an object.
type answerWithObject struct {
	method, path, query string
	header              http.Header
	change              func(*dispatcherv1alpha1.JobExecution) // of the execution that exists
	status              int
}

var answersWithObjects = []answerWithObject{
	{"PUT", "/execute/{template}", "", nil, ends, 201},
	{"POST", "/execute/{template}", "", nil, ends, 201},
	{"PUT", "/execute/{namespace}/{template}", "", nil, ends, 201},
	{"POST", "/execute/{namespace}/{template}", "", nil, ends, 201},
	{"PUT", "/execute/{template}", "", http.Header{"Idempotency-Key": {"k"}}, ends, 201},
	{"PUT", "/execute/{template}", "", http.Header{"Prefer": {"wait=0"}}, ends, 202},
	{"PUT", "/execute/{template}", "?dryRun=All", nil, ends, 200},
	{"GET", "/executions/{namespace}/{name}", "", nil, runs, 200},
	{"GET", "/executions/{namespace}/{name}", "?wait=1", nil, ends, 200},
	{"GET", "/executions/{namespace}/{name}", "", http.Header{"Accept": {"text/event-stream"}}, ends, 200},
	{"GET", "/executions/{namespace}/{name}/events", "", http.Header{"Accept": {"text/event-stream"}}, ends, 200},
	{"POST", "/executions/{namespace}/{name}/cancel", "", nil,
		summary(metav1.ConditionFalse, dispatcherv1alpha1.ReasonCanceled), 200},
	{"DELETE", "/executions/{namespace}/{name}", "", nil, ends, 200},
	{"DELETE", "/executions/{namespace}/{name}", "", nil,
		func(e *dispatcherv1alpha1.JobExecution) { e.Finalizers = []string{"example.com/x"} }, 202},
	{"GET", "/executions/{namespace}", "", nil, ends, 200},
	{"GET", "/templates/{namespace}/{template}", "", nil, ends, 200},
	{"GET", "/templates/{namespace}", "", nil, ends, 200},
}

// What a call has claimed while its caller reads is at least what it holds for the caller: the body.
func TestAnswersAreClaimed(t *testing.T) {
	withoutObjects := map[string]bool{"/openapi.yaml": true, "/executions/{namespace}/{name}/logs": true}
	everyRoute(t, func(t *testing.T, method, path string) {
		tested := withoutObjects[path]
		for _, test := range answersWithObjects {
			tested = tested || test.method == method && test.path == path
		}
		if !tested {
			t.Error("nobody knows what this call claims for its answer")
		}
	})
	for _, payload := range []string{
		strings.Repeat("x", firstPiece/2),
		strings.Repeat("x", firstPiece),
		strings.Repeat("\x01", firstPiece),
		strings.Repeat("\x01", DefaultMaxPayloadBytes),
		strings.Repeat("<", 4*firstPiece),
		strings.Repeat(`"`, 4*firstPiece),
		strings.Repeat("\x7f", DefaultMaxPayloadBytes), // In YAML, each has four bytes.
	} {
		for _, call := range answersWithObjects {
			for _, form := range objectTypes {
				t.Run(fmt.Sprintf("%s %s%s %s %d of %.1q", call.method, call.path, call.query, form, len(payload), payload),
					func(t *testing.T) { checkClaim(t, call, form, payload) })
			}
		}
	}
}

func checkClaim(t *testing.T, call answerWithObject, form mediaType, payload string) {
	t.Helper()
	api := newFakeAPIServer(t)
	api.put("n", call.change, func(e *dispatcherv1alpha1.JobExecution) { e.Spec.Payload = payload })
	api.Template = withPayload(payload)
	recorder := &claimsRecorder{ResponseRecorder: httptest.NewRecorder(), memory: api.memory}
	api.server(t, testOptions()).http.Handler.ServeHTTP(recorder, call.request(form, payload))
	if recorder.Code != call.status {
		t.Fatalf("status = %d, want %d: %.300s", recorder.Code, call.status, recorder.Body)
	}
	if recorder.claimed < recorder.largest {
		t.Errorf("a body of %d bytes, and %d bytes are claimed", recorder.largest, recorder.claimed)
	}
	if left := claimed(api.memory); left > 0 {
		t.Errorf("%d bytes stay claimed", left)
	}
}

// request is one of the call, with a payload if it takes one.
func (c answerWithObject) request(form mediaType, payload string) *http.Request {
	request := httptest.NewRequest(c.method, existing(c.path)+c.query, http.NoBody)
	if strings.HasPrefix(c.path, "/execute") {
		request = httptest.NewRequest(c.method, existing(c.path)+c.query, strings.NewReader(payload))
	}
	request.Header.Set("Accept", string(form))
	maps.Copy(request.Header, c.header)
	return request
}

// withArguments is a template whose container has these texts as its arguments, each in three parts: Linux limits the
// length of one.
func withArguments(texts ...string) *dispatcherv1alpha1.JobTemplate {
	return echo(func(t *dispatcherv1alpha1.JobTemplate) {
		container := &t.Spec.JobTemplate.Spec.Template.Spec.Containers[0]
		container.Args = nil
		for _, text := range texts {
			third := len(text) / 3
			container.Args = append(container.Args, text[:third], text[third:2*third], text[2*third:])
		}
	})
}

// withPayload is withArguments for the payload and these texts.
func withPayload(texts ...string) *dispatcherv1alpha1.JobTemplate {
	template := withArguments(texts...)
	container := &template.Spec.JobTemplate.Spec.Template.Spec.Containers[0]
	const third = `{{ $n := div (len .Payload) 3 }}`
	container.Args = append(container.Args,
		third+`{{ substr 0 (int $n) .Payload }}`,
		third+`{{ substr (int $n) (int (mul 2 $n)) .Payload }}`,
		third+`{{ substr (int (mul 2 $n)) (len .Payload) .Payload }}`)
	return template
}

// Where there is no memory for an answer, a caller that has changed something is not refused, and others are.
func TestAnswersWithoutMemory(t *testing.T) {
	payload := strings.Repeat("\x01", DefaultMaxPayloadBytes)
	for _, call := range answersWithObjects {
		if call.query != "" || !strings.Contains(call.path, "e}/{") {
			continue
		}
		t.Run(call.method+" "+call.path, func(t *testing.T) {
			api := newFakeAPIServer(t)
			api.memory.bodies = budget.NewBytes(bodyCopies*int64(len(payload)), time.Millisecond, nil)
			api.memory.reads = budget.NewBytes(readBytes, time.Millisecond, nil)
			api.put("n", call.change, func(e *dispatcherv1alpha1.JobExecution) { e.Spec.Payload = payload })
			api.Template = withArguments(payload)
			request := call.request(mediaJSON, payload)
			request.RemoteAddr = "127.0.0.1:1"
			recorder := httptest.NewRecorder()
			api.server(t, testOptions()).http.Handler.ServeHTTP(recorder, request)
			switch {
			case call.header != nil: // It is a stream.
				if strings.Contains(recorder.Body.String(), "event:") {
					t.Errorf("got %.300s", recorder.Body)
				}
			case call.method == http.MethodGet:
				if got := problemOf(t, recorder.Result()); got.Reason != problem.TooManyRequests {
					t.Errorf("got %+v", got)
				}
			case recorder.Code != call.status || recorder.Body.Len() > 0:
				t.Errorf("status = %d, want %d without a body: %.300s", recorder.Code, call.status, recorder.Body)
			}
		})
	}
}

// A preview of a Job that no API server could store is refused, however long it would be in JSON.
func TestPreviewOfATooLargeJob(t *testing.T) {
	api := newFakeAPIServer(t)
	api.Template = withArguments(slices.Repeat([]string{largePayload}, 7)...)
	request := httptest.NewRequest(http.MethodPut, "/execute/t?dryRun=All", strings.NewReader("p"))
	if got := problemOf(t, serve(api.server(t, testOptions()), request)); got.Reason != problem.PayloadTooLarge {
		t.Errorf("got %+v", got)
	}
}
