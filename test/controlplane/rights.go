package controlplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Identity is what config/default gives the manager.
type Identity struct {
	// Config is that of the Deployment's ServiceAccount. It has the rights of config/rbac and no others.
	Config *rest.Config
	// Namespace is where the Deployment is.
	Namespace string
}

// InstallRights creates what config/default says about rights.
func (c *ControlPlane) InstallRights(ctx context.Context) (*Identity, error) {
	objects, err := kustomization(ctx, filepath.Join(c.Root, "config", "default"))
	if err != nil {
		return nil, err
	}
	admin, err := client.New(c.Config, client.Options{})
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	kinds := sets.New("Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
	deployment := &appsv1.Deployment{}
	for _, object := range objects {
		if kinds.Has(object.GetKind()) {
			if err := admin.Create(ctx, object); err != nil {
				return nil, fmt.Errorf("creating %s %s: %w", object.GetKind(), object.GetName(), err)
			}
		}
		if object.GetKind() == "Deployment" {
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, deployment); err != nil {
				return nil, fmt.Errorf("reading the Deployment: %w", err)
			}
		}
	}
	name := deployment.Spec.Template.Spec.ServiceAccountName
	if name == "" {
		return nil, errors.New("config/default has no Deployment with a ServiceAccount")
	}
	user, err := c.User(fmt.Sprintf("system:serviceaccount:%s:%s", deployment.Namespace, name),
		"system:serviceaccounts", "system:serviceaccounts:"+deployment.Namespace)
	return &Identity{Config: user, Namespace: deployment.Namespace}, err
}

// kustomization returns the objects of a folder, in the order in which kubectl would apply them.
func kustomization(ctx context.Context, folder string) ([]*unstructured.Unstructured, error) {
	kubectl := exec.CommandContext(ctx, filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), "kustomize", folder)
	var stderr bytes.Buffer
	kubectl.Stderr = &stderr
	built, err := kubectl.Output()
	if err != nil {
		return nil, fmt.Errorf("building %s: %w\n%s", folder, err, stderr.String())
	}
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(built), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("decoding what %s builds: %w", folder, err)
		}
		objects = append(objects, object)
	}
}
