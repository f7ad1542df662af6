package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
)

// managerNamespace is where config/default deploys the manager.
var managerNamespace string

// installRights creates what config/default says about rights, and returns a user with those of the Deployment's
// ServiceAccount.
func installRights(ctx context.Context) *rest.Config {
	kinds := sets.New("Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
	deployment := &appsv1.Deployment{}
	for _, object := range kustomization(ctx, "default") {
		if kinds.Has(object.GetKind()) {
			Expect(admin.Create(ctx, object)).To(Succeed(), "%s %s", object.GetKind(), object.GetName())
		}
		if object.GetKind() == "Deployment" {
			Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, deployment)).To(Succeed())
		}
	}
	name := deployment.Spec.Template.Spec.ServiceAccountName
	Expect(name).NotTo(BeEmpty())
	managerNamespace = deployment.Namespace
	user, err := plane.User(fmt.Sprintf("system:serviceaccount:%s:%s", managerNamespace, name),
		"system:serviceaccounts", "system:serviceaccounts:"+managerNamespace)
	Expect(err).NotTo(HaveOccurred())
	return user
}

// kustomization returns the objects of a folder below config, in the order in which kubectl would apply them.
func kustomization(ctx context.Context, folder string) []*unstructured.Unstructured {
	built := kubectl(ctx, "kustomize", filepath.Join(plane.Root, "config", folder))
	Expect(built.err).NotTo(HaveOccurred(), built.stderr)
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewBufferString(built.stdout), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		Expect(err).NotTo(HaveOccurred())
		objects = append(objects, object)
	}
}
