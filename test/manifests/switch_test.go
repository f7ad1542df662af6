package manifests

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// overlays are all that can be deployed.
var overlays = []string{"default", "overlays/no-namespace", "overlays/prometheus", "overlays/secure"}

func TestOverlaysAreComplete(t *testing.T) {
	found, err := filepath.Glob(filepath.Join(root, "config", "overlays", "*"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"default"}
	for _, folder := range found {
		want = append(want, "overlays/"+filepath.Base(folder))
	}
	if diff := cmp.Diff(want, overlays); diff != "" {
		t.Errorf("folders that can be deployed (-want +got):\n%s", diff)
	}
}

// kubectl apply deletes nothing. An object that an overlay leaves out goes on granting what it granted when another
// overlay was deployed before.
func TestNoOverlayLeavesOutWhatAnotherGrants(t *testing.T) {
	kinds := sets.New("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "ServiceAccount")
	granting, everywhere := map[string]sets.Set[string]{}, sets.New[string]()
	for _, overlay := range overlays {
		granting[overlay] = sets.New[string]()
		for _, object := range build(t, overlay) {
			if kinds.Has(object.GetKind()) {
				granting[overlay].Insert(object.GetKind() + " " + object.GetNamespace() + "/" + object.GetName())
			}
		}
		everywhere = everywhere.Union(granting[overlay])
	}
	if everywhere.Len() == 0 {
		t.Error("no overlay grants anything")
	}
	for _, overlay := range overlays {
		if missing := everywhere.Difference(granting[overlay]); missing.Len() > 0 {
			t.Errorf("%s leaves out %q: where another overlay was deployed before, they stay", overlay,
				sets.List(missing))
		}
	}
}

// A user may change the way of applying, too.
func testSwitchOfOverlays(t *testing.T, config *rest.Config, kubeconfig string) {
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	mayExecute := func(t *testing.T, want bool) {
		t.Helper()
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: "system:anonymous", Groups: []string{"system:unauthenticated"},
			ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: "default", Verb: "create",
				Group: "dispatcher.ivan.vc", Resource: "jobtemplates", Subresource: "executions", Name: "echo"},
		}}
		// The API server learns of a binding by a watch.
		err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true,
			func(ctx context.Context) (bool, error) {
				asked := review.DeepCopy()
				err := c.Create(ctx, asked)
				return asked.Status.Allowed == want, err
			})
		if err != nil {
			t.Fatalf("anonymous callers may execute: still %t, want %t: %v", !want, want, err)
		}
	}
	kubectl, err := filepath.Abs(filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"))
	if err != nil {
		t.Fatal(err)
	}
	// The CRDs are the same in all overlays, and take most of the time.
	isCRD := func(manifest []byte) bool {
		return bytes.Contains(manifest, []byte("\nkind: CustomResourceDefinition\n"))
	}
	apply := func(t *testing.T, overlay string, args ...string) {
		t.Helper()
		manifests := outputOnce(t, exec.Command(kubectl, "kustomize", filepath.Join(root, "config", overlay)))
		separator := []byte("\n---\n")
		changing := slices.DeleteFunc(bytes.Split(manifests, separator), isCRD)
		command := exec.Command(kubectl, append([]string{"--kubeconfig", kubeconfig, "apply", "-f", "-"}, args...)...)
		command.Stdin = bytes.NewReader(bytes.Join(changing, separator))
		var printed bytes.Buffer
		command.Stdout, command.Stderr = &printed, &printed
		if err := command.Run(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, printed.Bytes())
		}
	}
	ports := func(t *testing.T, want int32) {
		t.Helper()
		service := &corev1.Service{}
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: manager}, service); err != nil {
			t.Fatal(err)
		}
		if got := service.Spec.Ports; len(got) != 1 || got[0].Port != want {
			t.Errorf("the HTTP API has the ports %v, want %d alone", got, want)
		}
	}

	// kubectl asks for --force-conflicts where the objects were applied client-side before.
	// Client-side, kubectl reads the merge keys from the API server's OpenAPI document, which takes a second. Once is
	// enough: without it, kubectl takes the same ones from its own Go types.
	plain, clientSide := []string{}, []string{"--openapi-patch=false"}
	serverSide := []string{"--server-side", "--force-conflicts"}
	for _, way := range []struct {
		reason        string
		before, after []string
	}{
		{"client-side", plain, plain},
		{"client-side, then server-side", clientSide, serverSide},
		{"server-side", serverSide, serverSide},
		{"server-side, then client-side", serverSide, clientSide},
	} {
		t.Run(way.reason, func(t *testing.T) {
			apply(t, "default", way.before...)
			mayExecute(t, true)
			ports(t, 80)
			apply(t, "overlays/secure", way.after...)
			mayExecute(t, false)
			ports(t, 443)
			apply(t, "default", way.after...)
			mayExecute(t, true)
			ports(t, 80)
		})
	}

	t.Run("make undeploy deletes also what only another overlay has", func(t *testing.T) {
		apply(t, "overlays/secure", clientSide...)
		undeploy := exec.Command("make", "undeploy", "OVERLAY=config/overlays/no-namespace", "KUBECTL="+kubectl)
		undeploy.Dir = root
		undeploy.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
		output(t, undeploy)
		for _, object := range build(t, "overlays/secure") {
			if object.GetKind() == "Namespace" {
				continue // no-namespace is for one that is not Dispatcher's
			}
			err := c.Get(t.Context(), client.ObjectKeyFromObject(object), object)
			if !apierrors.IsNotFound(err) && !meta.IsNoMatchError(err) {
				t.Errorf("%s %s is left: %v", object.GetKind(), object.GetName(), err)
			}
		}
	})
}
