package monitoring

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestMetricsAreForThoseWhoMayGetThem(t *testing.T) {
	m, _ := run(t, MetricsOptions{Secure: true})
	url := "https://" + m.address("metrics")
	for _, test := range []struct {
		reason, path, token string
		want                int
	}{
		{"no token", "/metrics", "", http.StatusUnauthorized},
		{"an unknown token", "/metrics", "unknown", http.StatusInternalServerError}, // as controller-runtime answers
		{"without the permission", "/metrics", "stranger", http.StatusForbidden},
		{"with it", "/metrics", "scraper", http.StatusOK},
		{"nothing else is served", "/debug/pprof/", "scraper", http.StatusNotFound},
	} {
		code, body := get(t, from("127.0.0.1"), url+test.path, test.token)
		if code != test.want {
			t.Errorf("%s: got %d, want %d: %s", test.reason, code, test.want, body)
		}
		if shown := strings.Contains(body, "go_goroutines"); shown != (test.want == http.StatusOK) {
			t.Errorf("%s: metrics shown: %v", test.reason, shown)
		}
	}
}

func TestWithoutSecureEveryoneGetsMetrics(t *testing.T) {
	m, _ := run(t, MetricsOptions{})
	if code, _ := get(t, from("127.0.0.1"), "http://"+m.address("metrics")+"/metrics", ""); code != http.StatusOK {
		t.Errorf("got %d", code)
	}
}

func TestHTTP2IsOfferedIfEnabled(t *testing.T) {
	for _, enabled := range []bool{false, true} {
		m, _ := run(t, MetricsOptions{Secure: true, HTTP2: enabled})
		transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+m.address("metrics")+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		transport.CloseIdleConnections()
		if got := response.ProtoMajor == 2; got != enabled {
			t.Errorf("enabled %v: %s", enabled, response.Proto)
		}
	}
}

// A caller whose token makes the API server work neither has many reviewed at once, nor keeps another one waiting.
func TestScrapesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inside, most atomic.Int32
		end := make(chan struct{})
		handler := takeTurns(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.RemoteAddr, "10.6.6.6:") {
				return
			}
			if now := inside.Add(1); now > most.Load() {
				most.Store(now)
			}
			<-end
			inside.Add(-1)
			if r.Context().Err() != nil {
				t.Error("the review was told that its caller is gone")
			}
		}))
		ask := func(ctx context.Context, address string) *httptest.ResponseRecorder {
			request := httptest.NewRequestWithContext(ctx, http.MethodGet, "/metrics", nil)
			request.RemoteAddr = address + ":1234"
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, request)
			return answer
		}
		var refused atomic.Int32
		var strangers sync.WaitGroup
		ctx, leave := context.WithCancel(t.Context())
		for range 100 {
			strangers.Go(func() {
				answer := ask(ctx, "10.6.6.6")
				if answer.Code == http.StatusServiceUnavailable && answer.Header().Get("Retry-After") != "" {
					refused.Add(1)
				}
			})
		}
		synctest.Wait()
		if answer := ask(t.Context(), "10.0.0.1"); answer.Code != http.StatusOK {
			t.Errorf("another address got %d", answer.Code)
		}
		time.Sleep(turnTimeout + 1) // in synctest's time, which takes none
		synctest.Wait()
		leave()
		synctest.Wait()
		if inside.Load() != maxScrapesOfOne || most.Load() != maxScrapesOfOne {
			t.Errorf("%d of one address at once, %d after it left", most.Load(), inside.Load())
		}
		close(end)
		strangers.Wait()
		if refused.Load() != 100-maxScrapesOfOne {
			t.Errorf("%d were refused", refused.Load())
		}
	})
}
