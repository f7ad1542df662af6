package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// +kubebuilder:rbac:groups=dispatcher.ivan.vc,resources=jobexecutions,verbs=create;get;list;patch;delete
// +kubebuilder:rbac:groups=dispatcher.ivan.vc,resources=jobtemplates,verbs=get;list

// The API server's names of what is read and written.
const (
	resourceExecutions = "jobexecutions"
	resourceTemplates  = "jobtemplates"
)

// fieldManager is whose fields are, in managedFields, what this API wrote.
const fieldManager = "dispatcher-http-api"

// apiServer reads JobTemplates and JobExecutions, and writes the latter, past every cache.
//
// It is not the manager's client, because that one repeats a request by itself, up to ten times, when it is answered
// with Retry-After. Here the caller is told instead, and a create is sent once: repeated, it would meet its own object.
type apiServer struct {
	client  rest.Interface
	jobs    rest.Interface
	pods    rest.Interface
	creates slots
}

func newAPIServer(config *rest.Config, httpClient *http.Client, scheme *runtime.Scheme) (*apiServer, error) {
	codecs := serializer.NewCodecFactory(scheme).WithoutConversion()
	client := func(path string, version schema.GroupVersion) (rest.Interface, error) {
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
	s := &apiServer{creates: make(slots, maxConcurrentCreates)}
	var err error
	if s.client, err = client("/apis", dispatcherv1alpha1.GroupVersion); err != nil {
		return nil, err
	}
	if s.jobs, err = client("/apis", batchv1.SchemeGroupVersion); err != nil {
		return nil, err
	}
	if s.pods, err = client("/api", corev1.SchemeGroupVersion); err != nil {
		return nil, err
	}
	return s, nil
}

// create stores an execution and returns it as it was stored. It waits for its turn: see maxConcurrentCreates.
func (s *apiServer) create(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) (*dispatcherv1alpha1.JobExecution, error) {
	if !s.creates.await(ctx, createQueueTimeout) {
		return nil, apierrors.NewTooManyRequests("too many executions are waiting to be stored", retryAfterTooManyRequests)
	}
	defer s.creates.give()
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	created := &dispatcherv1alpha1.JobExecution{}
	err := s.request(s.client.Post(), execution.Namespace).
		Param("timeout", apiServerDeadline.String()).
		Param("fieldManager", fieldManager).
		Body(execution).Do(ctx).Into(created)
	return created, err
}

// get returns an execution as it is now.
func (s *apiServer) get(ctx context.Context, namespace, name string) (*dispatcherv1alpha1.JobExecution, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	found := &dispatcherv1alpha1.JobExecution{}
	err := s.request(s.client.Get(), namespace).Name(name).Do(ctx).Into(found)
	return found, err
}

// cancel marks just this execution, and not another that has taken its name, as canceled.
func (s *apiServer) cancel(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) (*dispatcherv1alpha1.JobExecution, error) {
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": execution.UID},
		"spec":     map[string]any{"canceled": true},
	})
	if err != nil {
		return nil, fmt.Errorf("encoding the patch that cancels: %w", err)
	}
	canceled := &dispatcherv1alpha1.JobExecution{}
	err = s.request(s.client.Patch(types.MergePatchType), execution.Namespace).Name(execution.Name).
		Param("timeout", apiServerDeadline.String()).
		Param("fieldManager", fieldManager).
		Body(patch).Do(ctx).Into(canceled)
	return canceled, err
}

// getTemplate returns a template as it is now.
func (s *apiServer) getTemplate(ctx context.Context, namespace, name string) (*dispatcherv1alpha1.JobTemplate, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	found := &dispatcherv1alpha1.JobTemplate{}
	err := s.requestFor(s.client.Get(), resourceTemplates, namespace).Name(name).Do(ctx).Into(found)
	return found, err
}

// errListTooLarge is for a list of more than maxListBytes.
var errListTooLarge = errors.New("the list is too large to be read at once")

// list reads the beginning of a list, or where it goes on after a token, into into, and returns its size in bytes. It
// reads no more than maxListBytes: objects may hold a MiB each, and memory is shared by all callers.
func (s *apiServer) list(ctx context.Context, resource, namespace, selector string, limit int, token string, into any) (int, error) {
	request := s.requestFor(s.client.Get(), resource, namespace).Param("limit", strconv.Itoa(limit))
	if selector != "" {
		request.Param("labelSelector", selector)
	}
	if token != "" {
		request.Param("continue", token)
	}
	stream, err := request.Stream(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = stream.Close() }()
	body, err := io.ReadAll(io.LimitReader(stream, maxListBytes+1))
	switch {
	case err != nil:
		return 0, fmt.Errorf("reading a list: %w", err)
	case len(body) > maxListBytes:
		return 0, errListTooLarge
	}
	if err := json.Unmarshal(body, into); err != nil {
		return 0, fmt.Errorf("decoding a list: %w", err)
	}
	return len(body), nil
}

// delete removes just this execution, and not another that has taken its name, together with its Job and pods. It returns
// the execution if that stays until others have taken their finalizers from it, else nil.
func (s *apiServer) delete(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) (*dispatcherv1alpha1.JobExecution, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	background := metav1.DeletePropagationBackground
	answer, err := s.request(s.client.Delete(), execution.Namespace).Name(execution.Name).
		Body(&metav1.DeleteOptions{
			Preconditions:     &metav1.Preconditions{UID: &execution.UID},
			PropagationPolicy: &background,
		}).Do(ctx).Get()
	held, _ := answer.(*dispatcherv1alpha1.JobExecution)
	return held, err
}

func (s *apiServer) request(request *rest.Request, namespace string) *rest.Request {
	return s.requestFor(request, resourceExecutions, namespace)
}

func (s *apiServer) requestFor(request *rest.Request, resource, namespace string) *rest.Request {
	return request.MaxRetries(0).Namespace(namespace).Resource(resource)
}
