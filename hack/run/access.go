package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// anonymousAccess is the file that grants anonymous access in config/default. Without it, every call needs a token.
const anonymousAccess = "config/rbac/anonymous_access.yaml"

// access is the RBAC objects that grant anonymous access while the manager runs.
type access struct {
	client  client.Client
	objects []*unstructured.Unstructured
}

func newAccess(config *rest.Config) (*access, error) {
	c, err := client.New(config, client.Options{FieldOwner: "dispatcher-run"})
	if err != nil {
		return nil, fmt.Errorf("creating a client: %w", err)
	}
	content, err := os.ReadFile(anonymousAccess)
	if err != nil {
		return nil, fmt.Errorf("reading the RBAC objects for anonymous access: %w", err)
	}
	a := &access{client: c}
	for decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096); ; {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(object)
		if errors.Is(err, io.EOF) {
			return a, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", anonymousAccess, err)
		}
		// The names must differ from those of a Dispatcher that is deployed in this cluster.
		object.SetName("dispatcher-run-" + object.GetName())
		if ref, ok := object.Object["roleRef"].(map[string]any); ok {
			ref["name"] = object.GetName()
		}
		a.objects = append(a.objects, object)
	}
}

// grant applies the objects. It takes over objects that an earlier run did not delete because it was killed.
func (a *access) grant(ctx context.Context) error {
	for _, object := range a.objects {
		configuration := client.ApplyConfigurationFromUnstructured(object.DeepCopy())
		if err := a.client.Apply(ctx, configuration, client.ForceOwnership); err != nil {
			return fmt.Errorf("granting anonymous access: %w", err)
		}
	}
	return nil
}

// revoke deletes the objects.
func (a *access) revoke() error {
	// The run's context has ended already.
	ctx, cancel := context.WithTimeout(context.Background(), unregisterTimeout)
	defer cancel()
	var errs []error
	for _, object := range a.objects {
		if err := client.IgnoreNotFound(a.client.Delete(ctx, object)); err != nil {
			errs = append(errs, fmt.Errorf("removing the %s %s: %w", object.GetKind(), object.GetName(), err))
		}
	}
	return errors.Join(errs...)
}
