package monitoring

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// fakeManager runs what is added to it until the test ends.
type fakeManager struct {
	ctrl.Manager

	t         *testing.T
	apiServer string
	servers   map[string]*manager.Server
}

func (m *fakeManager) GetLogger() logr.Logger      { return logr.Discard() }
func (m *fakeManager) GetConfig() *rest.Config     { return &rest.Config{Host: m.apiServer} }
func (m *fakeManager) GetHTTPClient() *http.Client { return http.DefaultClient }
func (m *fakeManager) address(server string) string {
	return m.servers[server].Listener.Addr().String()
}

func (m *fakeManager) Add(runnable manager.Runnable) error {
	if server, ok := runnable.(*manager.Server); ok {
		m.servers[server.Name] = server
	}
	ctx, cancel := context.WithCancel(m.t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- runnable.Start(ctx) }()
	m.t.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			m.t.Error(err)
		}
	})
	return nil
}

// run sets up both servers, and returns the manager with them.
func run(t *testing.T, metrics MetricsOptions) (*fakeManager, ctrl.Manager) {
	t.Helper()
	m := &fakeManager{t: t, apiServer: fakeAPIServer(t), servers: map[string]*manager.Server{}}
	metrics.BindAddress = "127.0.0.1:0"
	checked, err := Setup(m, Options{HealthBindAddress: "127.0.0.1:0", Metrics: metrics})
	if err != nil {
		t.Fatal(err)
	}
	return m, checked
}

// fakeAPIServer knows the token "scraper", whose user may read the metrics, and "stranger", whose user may not.
func fakeAPIServer(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		scraper, stranger := strings.Contains(string(body), `"scraper"`), strings.Contains(string(body), `"stranger"`)
		if strings.HasSuffix(r.URL.Path, "/tokenreviews") {
			name := map[bool]string{true: "scraper", false: "stranger"}[scraper]
			_, _ = fmt.Fprintf(w, `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview",
				"status":{"authenticated":%v,"user":{"username":%q}}}`, scraper || stranger, name)
			return
		}
		_, _ = fmt.Fprintf(w, `{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","status":{"allowed":%v}}`,
			scraper && strings.Contains(string(body), `"/metrics"`))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// from returns a client of a source address. It makes a new connection for each request, as the kubelet does.
func from(address string) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return &http.Client{Transport: &http.Transport{
		DialContext:       dialer.DialContext,
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // The certificate is self-signed.
	}}
}

func get(t *testing.T, client *http.Client, url, token string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// Every server of this package has the limits that keep strangers from using up the memory.
func TestStrangersHoldFewConnectionsAndShortHeaders(t *testing.T) {
	for _, secure := range []bool{false, true} {
		m, _ := run(t, MetricsOptions{Secure: secure})
		urls := map[string]string{
			"health probes": "http://" + m.address("health probes") + "/readyz",
			"metrics":       map[bool]string{false: "http://", true: "https://"}[secure] + m.address("metrics") + "/metrics",
		}
		if len(m.servers) != len(urls) {
			t.Fatalf("servers %v", m.servers)
		}
		for name, url := range urls {
			server := m.servers[name].Server
			if server.MaxHeaderBytes != maxHeaderBytes || server.ReadHeaderTimeout != headerTimeout || server.ReadTimeout == 0 ||
				server.WriteTimeout == 0 || server.IdleTimeout == 0 || m.servers[name].ShutdownTimeout == nil {
				t.Errorf("%s: a limit is missing", name)
			}
			begun := time.Now()
			strangers := strangersAt(t, m.address(name), secure && name == "metrics")
			if code, body := get(t, from("127.0.0.3"), url, "scraper"); code != http.StatusOK {
				t.Errorf("%s, secure %v: got %d: %s", name, secure, code, body)
			}
			// The strangers learn a little later that they were cut off. After headerTimeout, all of them are.
			for strangers.open() > maxConnections {
				if time.Since(begun) > headerTimeout {
					t.Fatalf("%s, secure %v: strangers hold %d connections", name, secure, strangers.open())
				}
				time.Sleep(time.Millisecond)
			}
		}
	}
}

// strangers are connections of one address that never end their headers.
type strangers struct {
	mutex sync.Mutex
	ended int
	all   sync.WaitGroup
}

// strangersAt opens three times as many connections as there are places. Each sends a header of up to 1 MB.
func strangersAt(t *testing.T, address string, secure bool) *strangers {
	const number = 3 * maxConnections
	s := &strangers{}
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.2")}}
	begun := make(chan struct{}, number)
	for range number {
		connection, err := dialer.DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if secure {
			connection = tls.Client(connection, &tls.Config{InsecureSkipVerify: true})
		}
		s.all.Go(func() {
			defer connection.Close()
			_, err := fmt.Fprint(connection, "GET /metrics HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", maxHeaderBytes/2))
			begun <- struct{}{}
			if err == nil {
				_, _ = io.Copy(io.Discard, connection) // It ends when the server cuts it off.
			}
			s.mutex.Lock()
			defer s.mutex.Unlock()
			s.ended++
		})
	}
	for range number {
		<-begun
	}
	t.Cleanup(s.all.Wait)
	return s
}

func (s *strangers) open() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return 3*maxConnections - s.ended
}

func TestALongHeaderIsRefused(t *testing.T) {
	m, _ := run(t, MetricsOptions{})
	for name := range m.servers {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+m.address(name)+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X", strings.Repeat("x", 3*maxHeaderBytes/2))
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%s: got %d", name, response.StatusCode)
		}
	}
}

func TestTheChecksOfAllPartsAreServed(t *testing.T) {
	m, checked := run(t, MetricsOptions{})
	failing := func(*http.Request) error { return errors.New("not yet") }
	passing := func(*http.Request) error { return nil }
	for _, err := range []error{
		checked.AddHealthzCheck("ping", passing),
		checked.AddReadyzCheck("webhooks", failing),
		checked.AddReadyzCheck("http-api", passing),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]int{
		"/healthz": http.StatusOK, "/healthz/ping": http.StatusOK, "/readyz": http.StatusInternalServerError,
		"/readyz/": http.StatusInternalServerError, "/readyz/webhooks": http.StatusInternalServerError,
		"/readyz/http-api": http.StatusOK, "/readyz?exclude=webhooks": http.StatusOK, "/metrics": http.StatusNotFound,
	} {
		if code, body := get(t, http.DefaultClient, "http://"+m.address("health probes")+path, ""); code != want {
			t.Errorf("%s: got %d, want %d: %s", path, code, want, body)
		}
	}
}
