package objectcache

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clocktesting "k8s.io/utils/clock/testing"
)

// answer is a transport that answers every request with a code, or not at all if that is zero.
type answer int

func (a answer) RoundTrip(*http.Request) (*http.Response, error) {
	if a == 0 {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: int(a), Body: http.NoBody}, nil
}

// A replica is blind if its lists and watches of executions or Jobs have failed for long, whatever other calls do.
func TestFeed(t *testing.T) {
	const executions, jobs = "/apis/dispatcher.ivan.vc/v1alpha1/jobexecutions", "/apis/batch/v1/jobs"
	for _, test := range []struct {
		reason  string
		path    string
		answers []answer // One every half minute.
		blind   bool

		resource string // that is said to fail
		seconds  float64
	}{
		{"all is well", executions, []answer{200, 200, 200}, false, "jobexecutions", 0},
		{"it is forbidden", executions, []answer{200, 403, 403}, true, "jobexecutions", 60},
		{"a proxy answers", jobs, []answer{404, 502, 403}, true, "jobs", 90},
		{"there is no answer", jobs, []answer{0, 0, 0}, true, "jobs", 90},
		{"behind a prefix", "/k8s/clusters/c" + jobs, []answer{0, 0, 0}, true, "jobs", 90},
		{"not for long", executions, []answer{200, 200, 0}, false, "jobexecutions", 30},
		{"it was too old, and listed again", executions, []answer{410, 410, 200}, false, "jobexecutions", 0},
		{"one of a namespace", "/apis/batch/v1/namespaces/a/jobs", []answer{403, 403, 403}, false, "jobs", 0},
		{"pods tell of details", "/api/v1/pods", []answer{403, 403, 403}, false, "pods", 90},
	} {
		t.Run(test.reason, func(t *testing.T) {
			clock := clocktesting.NewFakePassiveClock(time.Unix(0, 0))
			feed := NewFeed(clock)
			for _, code := range test.answers {
				for path, transport := range map[string]http.RoundTripper{test.path: code, "/api/v1/nodes": answer(200)} {
					request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x"+path, nil)
					if response, err := feed.Wrap(transport).RoundTrip(request); err == nil {
						_ = response.Body.Close()
					}
				}
				clock.SetTime(clock.Now().Add(30 * time.Second))
			}
			if err := feed.Check(); (err != nil) != test.blind {
				t.Errorf("error %v, want one: %v", err, test.blind)
			}
			registry := prometheus.NewPedanticRegistry()
			registry.MustRegister(feed)
			families, err := registry.Gather()
			if err != nil || len(families) != 1 || len(families[0].GetMetric()) != len(feeds) {
				t.Fatalf("metrics %v, error %v", families, err)
			}
			for _, metric := range families[0].GetMetric() {
				want := 0.0
				if metric.GetLabel()[0].GetValue() == test.resource {
					want = test.seconds
				}
				if got := metric.GetGauge().GetValue(); got != want {
					t.Errorf("%v = %v, want %v", metric.GetLabel(), got, want)
				}
			}
		})
	}
}

// A write of the same resource is no list.
func TestFeedLooksAtReadsOnly(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Unix(0, 0))
	feed := NewFeed(clock)
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://x/apis/batch/v1/jobs", nil)
	_, err := feed.Wrap(answer(0)).RoundTrip(request)
	clock.SetTime(clock.Now().Add(time.Hour))
	if err == nil || feed.Check() != nil {
		t.Errorf("errors %v, %v", err, feed.Check())
	}
}
