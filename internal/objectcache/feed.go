package objectcache

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"
)

// blindAfter is for how long the lists and watches of a resource may fail. Informers pause for up to 30 seconds between
// two tries.
const blindAfter = 40 * time.Second

// feeds are the resources that the informers list and watch, by the end of the path of these requests. Without the
// needed ones, a leader sees no new executions, or no outcomes.
var feeds = map[string]struct {
	resource string
	needed   bool
}{
	"/apis/dispatcher.ivan.vc/v1alpha1/jobexecutions": {"jobexecutions", true},
	"/apis/dispatcher.ivan.vc/v1alpha1/jobtemplates":  {"jobtemplates", false},
	"/apis/batch/v1/jobs":                             {"jobs", true},
	"/api/v1/pods":                                    {"pods", false},
}

// Feed notices when the API server does not let the informers list and watch: they then show the objects as they were.
// It looks at the answers to the requests that they make, and makes none itself.
type Feed struct {
	clock clock.PassiveClock

	mutex sync.Mutex
	since map[string]time.Time // Since when they fail, by the end of the path.
}

var _ prometheus.Collector = &Feed{}

// NewFeed returns the Feed of informers that nothing has failed for.
func NewFeed(clock clock.PassiveClock) *Feed {
	return &Feed{clock: clock, since: map[string]time.Time{}}
}

// Wrap returns a transport that tells the Feed of the answers. It is a transport.WrapperFunc of client-go.
func (f *Feed) Wrap(next http.RoundTripper) http.RoundTripper { return &fed{next: next, feed: f} }

// Check fails if the lists and watches of executions or Jobs have failed for long.
func (f *Feed) Check() error {
	for path, failing := range f.failing() {
		if feeds[path].needed && failing > blindAfter {
			return fmt.Errorf("the API server has not let this replica list or watch %s for %v",
				feeds[path].resource, failing.Round(time.Second))
		}
	}
	return nil
}

// failing returns for how long the lists and watches have failed, by the end of their path.
func (f *Feed) failing() map[string]time.Duration {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	failing := map[string]time.Duration{}
	for path, since := range f.since {
		failing[path] = f.clock.Since(since)
	}
	return failing
}

func (f *Feed) answered(path string, succeeded bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if succeeded {
		delete(f.since, path)
	} else if _, failing := f.since[path]; !failing {
		f.since[path] = f.clock.Now()
	}
}

var failingSeconds = prometheus.NewDesc("dispatcher_watch_failing_seconds",
	"For how long the API server has not let this replica list or watch a resource, or 0. Meanwhile the replica does not "+
		"see changes.", []string{"resource"}, nil)

// Describe implements prometheus.Collector.
func (f *Feed) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- failingSeconds }

// Collect implements prometheus.Collector.
func (f *Feed) Collect(metrics chan<- prometheus.Metric) {
	failing := f.failing()
	for path, feed := range feeds {
		metrics <- prometheus.MustNewConstMetric(
			failingSeconds, prometheus.GaugeValue, failing[path].Seconds(), feed.resource)
	}
}

// fed is a transport whose answers a Feed sees.
type fed struct {
	next http.RoundTripper
	feed *Feed
}

// RoundTrip implements http.RoundTripper.
func (t *fed) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(request)
	for path := range feeds {
		if request.Method == http.MethodGet && strings.HasSuffix(request.URL.Path, path) {
			t.feed.answered(path, err == nil && response.StatusCode == http.StatusOK)
		}
	}
	return response, err
}

// WrappedRoundTripper lets client-go find the transport below, whose idle connections it closes.
func (t *fed) WrappedRoundTripper() http.RoundTripper { return t.next }
