package store

import (
	"fmt"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/semaphore"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/objectcache"
	"dispatcher.ivan.vc/internal/trial"
)

// The API server's names of what is read and written.
const (
	resourceExecutions = "jobexecutions"
	resourceTemplates  = "jobtemplates"
)

// fieldManager is whose fields are, in managedFields, what this API wrote.
const fieldManager = "dispatcher-http-api"

// Store reads JobTemplates and JobExecutions, and writes the latter, past every cache.
//
// It does not use the manager's client, because that one repeats a request by itself, up to ten times, when it is
// answered with Retry-After. Here the caller is told instead, and a create is sent once: repeated, it would meet its
// own object.
type Store struct {
	dispatcher, core rest.Interface
	trial            *trial.Client

	// cache has JobExecutions, perhaps as they were a moment ago, and templates has JobTemplates.
	cache       client.Reader
	templates   *objectcache.Templates
	names       nameRules
	createTurns *semaphore.Weighted
	createTurn  time.Duration
	unconfirmed *unconfirmedCreates
	untrusted   untrusted
}

// New returns a Store at the API server of config. cache has JobTemplates and JobExecutions, as objects lets informers
// keep them. maxConcurrentCreates is how many executions the Store creates at a time.
func New(
	config *rest.Config,
	httpClient *http.Client,
	scheme *runtime.Scheme,
	cache client.Reader,
	objects *objectcache.Cache,
	maxConcurrentCreates int,
	log logr.Logger,
) (*Store, error) {
	boundReceiveBuffers(httpClient.Transport)
	codecs := serializer.NewCodecFactory(scheme).WithoutConversion()
	restClient := func(path string, version schema.GroupVersion) (rest.Interface, error) {
		config := rest.CopyConfig(config)
		config.APIPath = path
		config.GroupVersion = &version
		config.NegotiatedSerializer = codecs
		config.ContentType = runtime.ContentTypeJSON
		config.AcceptContentTypes = runtime.ContentTypeJSON
		config.WarningHandler = rest.NoWarnings{} // Those that a caller should know of are passed on.
		built, err := rest.RESTClientForConfigAndClient(config, httpClient)
		if err != nil {
			return nil, fmt.Errorf("building a client for %s: %w", version, err)
		}
		return built, nil
	}
	s := &Store{
		cache:       cache,
		templates:   objects.Templates(cache, nil), // It reads only what is in memory.
		names:       newNameRules(),
		createTurns: semaphore.NewWeighted(int64(maxConcurrentCreates)),
		createTurn:  createTurn,
		untrusted:   untrusted{log: log, now: time.Now},
	}
	s.unconfirmed = &unconfirmedCreates{store: s, log: log, now: time.Now}
	var err error
	if s.dispatcher, err = restClient("/apis", dispatcherv1alpha1.GroupVersion); err != nil {
		return nil, err
	}
	if s.trial, err = trial.New(config, httpClient); err != nil {
		return nil, err
	}
	if s.core, err = restClient("/api", corev1.SchemeGroupVersion); err != nil {
		return nil, err
	}
	return s, nil
}

// receiveBuffer bounds what the client keeps of an answer of the API server that nobody has read yet. HTTP/2 would keep
// 4 MiB of each: of each log whose caller is slow.
const receiveBuffer = 64 << 10

// boundReceiveBuffers sets it. Connections that are open already keep what they have.
func boundReceiveBuffers(transport http.RoundTripper) {
	for {
		switch current := transport.(type) {
		case *http.Transport:
			current.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: receiveBuffer}
			return
		case utilnet.RoundTripperWrapper:
			transport = current.WrappedRoundTripper()
		default:
			return
		}
	}
}

// Target is what a call is about. What it does not name is empty.
type Target struct {
	Namespace, Template, Execution string
}

// executions is a request about the executions of a namespace.
func executions(request *rest.Request, namespace string) *rest.Request {
	return about(request, resourceExecutions, namespace)
}

// about is a request about a resource of a namespace. It is sent once.
func about(request *rest.Request, resource, namespace string) *rest.Request {
	return request.MaxRetries(0).Namespace(namespace).Resource(resource)
}
