package httpapi

import (
	"context"
	"fmt"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// +kubebuilder:rbac:groups=dispatcher.ivan.vc,resources=jobexecutions,verbs=create;get;delete

// apiServer reads and writes JobExecutions, past every cache.
//
// It is not the manager's client, because that one repeats a request by itself, up to ten times, when it is answered
// with Retry-After. Here the caller is told instead, and a create is sent once: repeated, it would meet its own object.
type apiServer struct {
	client rest.Interface
}

func newAPIServer(config *rest.Config, httpClient *http.Client, scheme *runtime.Scheme) (*apiServer, error) {
	config = rest.CopyConfig(config)
	config.APIPath = "/apis"
	config.GroupVersion = &dispatcherv1alpha1.GroupVersion
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.ContentType = runtime.ContentTypeJSON
	config.AcceptContentTypes = runtime.ContentTypeJSON
	client, err := rest.RESTClientForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("building a client for JobExecutions: %w", err)
	}
	return &apiServer{client: client}, nil
}

// create stores an execution and returns it as it was stored.
func (s *apiServer) create(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) (*dispatcherv1alpha1.JobExecution, error) {
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	created := &dispatcherv1alpha1.JobExecution{}
	err := s.request(s.client.Post(), execution.Namespace).
		Param("timeout", apiServerDeadline.String()).
		Param("fieldManager", "dispatcher-http-api").
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

// delete removes just this execution, and not another that has taken its name, together with its Job and pods.
func (s *apiServer) delete(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) error {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	background := metav1.DeletePropagationBackground
	return s.request(s.client.Delete(), execution.Namespace).Name(execution.Name).
		Body(&metav1.DeleteOptions{
			Preconditions:     &metav1.Preconditions{UID: &execution.UID},
			PropagationPolicy: &background,
		}).Do(ctx).Error()
}

func (s *apiServer) request(request *rest.Request, namespace string) *rest.Request {
	return request.MaxRetries(0).Namespace(namespace).Resource("jobexecutions")
}
