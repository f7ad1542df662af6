package manifests

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
)

// The names are what users see, and what the README and the local cluster rely on.
const (
	namespace   = "dispatcher-system"
	manager     = "dispatcher-manager"
	certificate = "dispatcher-serving-certificate"
)

func TestServicesReachTheManager(t *testing.T) {
	all := build(t, "default")
	pod := get[appsv1.Deployment](t, all, "Deployment", manager).Spec.Template
	for _, object := range all.ofKind("Service") {
		service := get[corev1.Service](t, all, "Service", object.GetName())
		if !labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(pod.Labels)) {
			t.Errorf("Service %s does not select the manager's pods", service.Name)
		}
		for _, port := range service.Spec.Ports {
			if !slices.ContainsFunc(pod.Spec.Containers[0].Ports, func(p corev1.ContainerPort) bool {
				return p.Name == port.TargetPort.StrVal || p.ContainerPort == port.TargetPort.IntVal
			}) {
				t.Errorf("Service %s leads to the port %s, which the manager does not have", service.Name,
					port.TargetPort.String())
			}
		}
	}
	if port := get[corev1.Service](t, all, "Service", manager).Spec.Ports[0].Port; port != 80 {
		t.Errorf("the HTTP API has the port %d, want 80", port)
	}
	budget := get[policyv1.PodDisruptionBudget](t, all, "PodDisruptionBudget", manager)
	if !labels.SelectorFromSet(budget.Spec.Selector.MatchLabels).Matches(labels.Set(pod.Labels)) {
		t.Error("the PodDisruptionBudget does not select the manager's pods")
	}
}

func TestWebhooksAreReachedAndTrusted(t *testing.T) {
	all := build(t, "default")
	dnsNames, _, err := unstructured.NestedStringSlice(get[unstructured.Unstructured](t, all, "Certificate",
		certificate).Object, "spec", "dnsNames")
	if err != nil {
		t.Fatal(err)
	}
	secret, _, err := unstructured.NestedString(get[unstructured.Unstructured](t, all, "Certificate",
		certificate).Object, "spec", "secretName")
	if err != nil {
		t.Fatal(err)
	}
	var services []*admissionregistrationv1.ServiceReference
	for _, object := range all.ofKind("ValidatingWebhookConfiguration") {
		for _, webhook := range get[admissionregistrationv1.ValidatingWebhookConfiguration](t, all, object.GetKind(),
			object.GetName()).Webhooks {
			services = append(services, webhook.ClientConfig.Service)
		}
	}
	for _, object := range all.ofKind("MutatingWebhookConfiguration") {
		for _, webhook := range get[admissionregistrationv1.MutatingWebhookConfiguration](t, all, object.GetKind(),
			object.GetName()).Webhooks {
			services = append(services, webhook.ClientConfig.Service)
		}
	}
	if len(services) == 0 {
		t.Error("no webhooks")
	}
	for _, service := range services {
		if got := get[corev1.Service](t, all, "Service", service.Name).Namespace; got != service.Namespace ||
			got != namespace {
			t.Errorf("a webhook calls the Service %s of %s, and that is in %s", service.Name, service.Namespace, got)
		}
		if name := service.Name + "." + service.Namespace + ".svc"; !slices.Contains(dnsNames, name) {
			t.Errorf("the certificate is for %q, and not for %s", dnsNames, name)
		}
	}
	for _, object := range append(all.ofKind("ValidatingWebhookConfiguration"),
		all.ofKind("MutatingWebhookConfiguration")...) {
		if from := object.GetAnnotations()["cert-manager.io/inject-ca-from"]; from != namespace+"/"+certificate {
			t.Errorf("%s trusts the CA of %q", object.GetKind(), from)
		}
	}
	volume := get[appsv1.Deployment](t, all, "Deployment", manager).Spec.Template.Spec.Volumes[0]
	if volume.Secret == nil || volume.Secret.SecretName != secret {
		t.Errorf("the manager mounts %v, and the certificate is in the Secret %s", volume.Secret, secret)
	}
}

func TestOverlays(t *testing.T) {
	if got := build(t, "overlays/no-namespace").ofKind("Namespace"); len(got) > 0 {
		t.Errorf("no-namespace has the Namespace %s", got[0].GetName())
	}
	monitors := build(t, "overlays/prometheus").ofKind("ServiceMonitor")
	if len(monitors) != 1 || monitors[0].GetNamespace() != namespace {
		t.Fatalf("prometheus has the ServiceMonitors %v, want one in %s", monitors, namespace)
	}
	selector, _, err := unstructured.NestedStringMap(monitors[0].Object, "spec", "selector", "matchLabels")
	if err != nil {
		t.Fatal(err)
	}
	var selected []string
	for _, object := range build(t, "overlays/prometheus").ofKind("Service") {
		if labels.SelectorFromSet(selector).Matches(labels.Set(object.GetLabels())) {
			selected = append(selected, object.GetName())
		}
	}
	if !slices.Equal(selected, []string{"dispatcher-metrics"}) {
		t.Errorf("the ServiceMonitor selects the Services %q", selected)
	}
}

// config/default opens two verbs to anonymous callers; the secure overlay opens nothing to them. Whoever has credentials
// may read the CA certificate for callers, in both.
func TestWhoIsGrantedRights(t *testing.T) {
	granted := func(all objects) map[string][]rbacv1.PolicyRule {
		rules := map[string][]rbacv1.PolicyRule{}
		for _, kind := range []string{"ClusterRoleBinding", "RoleBinding"} {
			for _, object := range all.ofKind(kind) {
				binding := get[rbacv1.ClusterRoleBinding](t, all, kind, object.GetName())
				for _, subject := range binding.Subjects {
					if subject.Kind != rbacv1.ServiceAccountKind {
						who := subject.Kind + " " + subject.Name
						role := get[rbacv1.ClusterRole](t, all, binding.RoleRef.Kind, binding.RoleRef.Name)
						rules[who] = append(rules[who], role.Rules...)
					}
				}
			}
		}
		return rules
	}
	readCA := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"},
		ResourceNames: []string{"dispatcher-ca"}, Verbs: []string{"get"}}}
	execute := []rbacv1.PolicyRule{{APIGroups: []string{"dispatcher.ivan.vc"},
		Resources: []string{"jobtemplates/executions"}, Verbs: []string{"create", "get"}}}
	for overlay, want := range map[string]map[string][]rbacv1.PolicyRule{
		"default":         {"Group system:authenticated": readCA, "User system:anonymous": execute},
		"overlays/secure": {"Group system:authenticated": readCA},
	} {
		if diff := cmp.Diff(want, granted(build(t, overlay))); diff != "" {
			t.Errorf("rights that %s grants to others than ServiceAccounts (-want +got):\n%s", overlay, diff)
		}
	}
}

func TestSecureOverlay(t *testing.T) {
	all := build(t, "overlays/secure")
	pod := get[appsv1.Deployment](t, all, "Deployment", manager).Spec.Template
	if args := pod.Spec.Containers[0].Args; !slices.Contains(args, "--web-server-cert-path=/certificate") {
		t.Errorf("the manager has the arguments %q, and no certificate for the HTTP API", args)
	}
	service := get[corev1.Service](t, all, "Service", manager)
	if ports := service.Spec.Ports; len(ports) != 1 || ports[0].Port != 443 || ports[0].TargetPort.StrVal != "http" {
		t.Errorf("the HTTP API has the ports %v, want 443 alone", ports)
	}
	dnsNames, _, err := unstructured.NestedStringSlice(get[unstructured.Unstructured](t, all, "Certificate",
		certificate).Object, "spec", "dnsNames")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".svc", ".svc.cluster.local", ""} {
		if name = service.Name + "." + service.Namespace + name; !slices.Contains(dnsNames, name) {
			t.Errorf("the certificate is for %q, and not for %s", dnsNames, name)
		}
	}
	policy := get[networkingv1.NetworkPolicy](t, all, "NetworkPolicy", manager)
	if selector := labels.Set(policy.Spec.PodSelector.MatchLabels); policy.Namespace != namespace ||
		!selector.AsSelector().Matches(labels.Set(pod.Labels)) {
		t.Errorf("the NetworkPolicy of %s selects %v, and not the manager's pods", policy.Namespace, selector)
	}
	anywhere := map[string]bool{}
	for _, rule := range policy.Spec.Ingress {
		for _, port := range rule.Ports {
			if !slices.ContainsFunc(pod.Spec.Containers[0].Ports,
				func(p corev1.ContainerPort) bool { return p.Name == port.Port.StrVal }) {
				t.Errorf("the NetworkPolicy opens the port %s, which the manager does not have", port.Port)
			}
			anywhere[port.Port.StrVal] = len(rule.From) == 0
		}
	}
	if diff := cmp.Diff(map[string]bool{"webhook": false, "http": false, "metrics": false}, anywhere); diff != "" {
		t.Errorf("ports that are open to everybody (-want +got):\n%s", diff)
	}
}
