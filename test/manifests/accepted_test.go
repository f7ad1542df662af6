package manifests

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// annotationLimit is what the API server lets the annotations of an object hold. `kubectl apply` puts the whole object
// in one.
const annotationLimit = 256 * 1024

// warnings collects what the API server warns of.
type warnings struct{ texts []string }

// HandleWarningHeaderWithContext is part of rest.WarningHandlerWithContext.
func (w *warnings) HandleWarningHeaderWithContext(_ context.Context, _ int, _ string, text string) {
	w.texts = append(w.texts, text)
}

func testManifestsAreAccepted(t *testing.T, config *rest.Config) {
	warned := &warnings{}
	config.WarningHandlerWithContext = warned
	c, err := client.New(config, client.Options{FieldOwner: "test", FieldValidation: metav1.FieldValidationStrict})
	if err != nil {
		t.Fatal(err)
	}

	// The first one has the namespace, which the second one expects.
	for _, kustomization := range overlays {
		t.Run(kustomization, func(t *testing.T) {
			for _, object := range build(t, kustomization) {
				if object.GetKind() == "ServiceMonitor" {
					continue // the Prometheus operator's CRDs come in no Go module
				}
				content, err := json.Marshal(object)
				if err != nil {
					t.Fatal(err)
				}
				if len(content) > annotationLimit {
					t.Errorf("%s %s has %d bytes: kubectl apply could not store it in an annotation", object.GetKind(),
						object.GetName(), len(content))
				}
				if err := c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object)); err != nil {
					t.Errorf("%s %s is refused: %v", object.GetKind(), object.GetName(), err)
				}
			}
		})
	}
	for _, text := range warned.texts {
		t.Errorf("the API server warns: %s", text)
	}

	t.Run("pods of the manager fit the namespace's pod security", func(t *testing.T) {
		deployment := get[appsv1.Deployment](t, build(t, "default"), "Deployment", "dispatcher-manager")
		pod := &corev1.Pod{ObjectMeta: deployment.Spec.Template.ObjectMeta, Spec: deployment.Spec.Template.Spec}
		pod.Name, pod.Namespace = "manager", deployment.Namespace
		if err := c.Create(t.Context(), pod, client.DryRunAll); err != nil {
			t.Error(err)
		}
		pod.ResourceVersion, pod.Spec.SecurityContext = "", nil
		if err := c.Create(t.Context(), pod, client.DryRunAll); err == nil {
			t.Error("a pod that may run as root is accepted: the namespace enforces nothing")
		}
	})

	t.Run("samples", func(t *testing.T) {
		files, err := filepath.Glob(filepath.Join(root, "config", "samples", "*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no samples: %v", err)
		}
		// Nothing answers the webhooks here; the schema is what is tested.
		for _, configuration := range []client.Object{
			&admissionregistrationv1.ValidatingWebhookConfiguration{},
			&admissionregistrationv1.MutatingWebhookConfiguration{},
		} {
			if err := c.DeleteAllOf(t.Context(), configuration); err != nil {
				t.Fatal(err)
			}
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, object := range decode(t, content) {
				object.SetNamespace(metav1.NamespaceDefault)
				if err := c.Create(t.Context(), object); err != nil {
					t.Errorf("%s: %v", file, err)
				}
			}
		}
	})
}
