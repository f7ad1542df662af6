package controlplane

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Request is a request to the API server, as the API server itself understands it: the verb is that of RBAC.
type Request struct {
	*request.RequestInfo
	// UserAgent of the client.
	UserAgent string
	// DryRun is set if nothing is stored.
	DryRun bool
}

// Write is true if the request changes what is stored.
func (r Request) Write() bool {
	return r.IsResourceRequest && !r.DryRun &&
		slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, r.Verb) &&
		// Reviews are questions, asked with the verb create.
		r.APIGroup != "authorization.k8s.io" &&
		r.APIGroup != "authentication.k8s.io"
}

// String names the request in messages.
func (r Request) String() string {
	resource := r.Resource
	if r.Subresource != "" {
		resource += "/" + r.Subresource
	}
	return fmt.Sprintf("%s %s %s/%s", r.Verb, resource, r.Namespace, r.Name)
}

// Match selects requests.
type Match func(Request) bool

// Fault stands between a client and the API server for the requests that it matches. It may wait, answer by itself,
// call next before or after something else, or panic with http.ErrAbortHandler to cut the connection.
type Fault func(w http.ResponseWriter, r *http.Request, next http.Handler)

// Proxy passes requests on to the API server with one user's credentials, and remembers them.
type Proxy struct {
	server   *httptest.Server
	upstream http.Handler
	info     request.RequestInfoFactory

	mu       sync.Mutex
	faults   []*rule
	requests []Request
	held     map[string]chan struct{} // by resource: closed when the watch events may go on
}

type rule struct {
	match Match
	fault Fault
}

// NewProxy starts a proxy to config's API server.
func NewProxy(config *rest.Config) (*Proxy, error) {
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, fmt.Errorf("making the proxy's transport: %w", err)
	}
	target, err := url.Parse(config.Host)
	if err != nil {
		return nil, fmt.Errorf("parsing the address of the API server: %w", err)
	}
	p := &Proxy{
		upstream: &httputil.ReverseProxy{
			Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
			Transport:     transport,
			FlushInterval: -1,
			// A watch that its client gives up is no news, nor is one that the API server ends.
			ErrorLog: log.New(io.Discard, "", 0),
			ErrorHandler: func(w http.ResponseWriter, _ *http.Request,
				_ error) {
				w.WriteHeader(http.StatusBadGateway)
			},
		},
		info: request.RequestInfoFactory{
			APIPrefixes:          sets.NewString("api", "apis"),
			GrouplessAPIPrefixes: sets.NewString("api"),
		},
		held: map[string]chan struct{}{},
	}
	p.server = httptest.NewUnstartedServer(p)
	p.server.EnableHTTP2 = true
	p.server.StartTLS()
	return p, nil
}

// Close cuts every connection and stops the proxy.
func (p *Proxy) Close() {
	p.server.CloseClientConnections()
	p.server.Close()
}

// CutConnections cuts every connection that is open.
func (p *Proxy) CutConnections() { p.server.CloseClientConnections() }

// cluster returns what a kubeconfig says of the proxy.
func (p *Proxy) cluster() *clientcmdapi.Cluster {
	return &clientcmdapi.Cluster{
		Server:                   p.server.URL,
		CertificateAuthorityData: encodeCertificate(p.server.Certificate().Raw),
	}
}

// Inject applies fault to the requests that match, from now until the returned function is called. Of several faults
// that match, the oldest applies.
func (p *Proxy) Inject(match Match, fault Fault) (remove func()) {
	added := &rule{match: match, fault: fault}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, added)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.faults = slices.DeleteFunc(p.faults, func(r *rule) bool { return r == added })
	}
}

// HoldEvents keeps back the watch events of a resource, like "jobs", until the returned function is called. A client
// then sees the resource as it was.
func (p *Proxy) HoldEvents(resource string) (release func()) {
	gate := make(chan struct{})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held[resource] = gate
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.held, resource)
		close(gate)
	})
}

// Requests returns the requests so far that match, in the order in which they came.
func (p *Proxy) Requests(match Match) []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []Request
	for _, r := range p.requests {
		if match(r) {
			found = append(found, r)
		}
	}
	return found
}

// Forget drops the requests so far, which a long run would pile up.
func (p *Proxy) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = nil
}

// ServeHTTP passes a request on.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	info, err := p.info.NewRequestInfo(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	seen := Request{RequestInfo: info, UserAgent: r.UserAgent(), DryRun: r.URL.Query().Has("dryRun")}
	fault := p.record(seen)
	if info.Verb == "watch" {
		w = &heldWriter{ResponseWriter: w, request: r, gate: func() chan struct{} { return p.gate(info.Resource) }}
	}
	if fault == nil {
		p.upstream.ServeHTTP(w, r)
		return
	}
	fault(w, r, p.upstream)
}

func (p *Proxy) record(r Request) Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = append(p.requests, r)
	for _, f := range p.faults {
		if f.match(r) {
			return f.fault
		}
	}
	return nil
}

func (p *Proxy) gate(resource string) chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held[resource]
}

// heldWriter writes a watch's events when nothing holds them back.
type heldWriter struct {
	http.ResponseWriter
	request *http.Request
	gate    func() chan struct{}
}

// Write waits until the events of this watch may go on.
func (w *heldWriter) Write(p []byte) (int, error) {
	if gate := w.gate(); gate != nil {
		select {
		case <-gate:
		case <-w.request.Context().Done():
			return 0, w.request.Context().Err()
		}
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets the reverse proxy flush after every event.
func (w *heldWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
