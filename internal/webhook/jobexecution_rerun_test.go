package webhook

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

// An execution that a tool creates again is warned of if something removes it.
func TestRerunWarnings(t *testing.T) {
	type entries = map[string]string
	for _, test := range []struct {
		reason              string
		labels, annotations entries
		manager             string
		want                string // what the warning begins with, and the mark that it names
	}{
		{"Argo CD", nil, entries{"argocd.argoproj.io/tracking-id": "app:dispatcher.ivan.vc/JobExecution:a/b"}, "", "Argo CD (annotation argocd.argoproj.io/tracking-id)"},
		{"Argo CD, by a label of its own", entries{"argocd.argoproj.io/instance": "app"}, nil, "", "Argo CD (label argocd.argoproj.io/instance)"},
		{"Argo CD, by the common label", entries{"app.kubernetes.io/instance": "app"}, nil, "argocd-controller", "Argo CD (label app.kubernetes.io/instance)"},
		{"the common label, by someone else", entries{"app.kubernetes.io/instance": "app"}, nil, "kubectl", ""},
		{"a hook of Argo CD", nil, entries{"argocd.argoproj.io/tracking-id": "x", "argocd.argoproj.io/hook": "PreSync"}, "", ""},
		{"a hook of Argo CD, by the common label", entries{"app.kubernetes.io/instance": "app"}, entries{"argocd.argoproj.io/hook": "Sync"}, "argocd-controller", ""},
		{"a hook of Helm, by Argo CD", nil, entries{"argocd.argoproj.io/tracking-id": "x", "helm.sh/hook": "pre-install"}, "", ""},
		{"Flux", entries{"kustomize.toolkit.fluxcd.io/name": "app", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}, nil, "", "Flux (label kustomize.toolkit.fluxcd.io/name)"},
		{"Flux, which knows no hooks of Argo CD", entries{"kustomize.toolkit.fluxcd.io/name": "app"}, entries{"argocd.argoproj.io/hook": "Sync"}, "", "Flux (label "},
		{"Flux with Helm", entries{"helm.toolkit.fluxcd.io/name": "app", "app.kubernetes.io/managed-by": "Helm"}, entries{"meta.helm.sh/release-name": "app"}, "", "Flux (label helm.toolkit.fluxcd.io/name)"},
		{"Helm", entries{"app.kubernetes.io/managed-by": "Helm"}, entries{"meta.helm.sh/release-name": "app", "meta.helm.sh/release-namespace": "default"}, "", "Helm (annotation meta.helm.sh/release-name)"},
		{"Helm, by the label alone", entries{"app.kubernetes.io/managed-by": "Helm"}, nil, "", "Helm (label app.kubernetes.io/managed-by)"},
		{"a hook of Helm", entries{"app.kubernetes.io/managed-by": "Helm"}, entries{"helm.sh/hook": "post-install"}, "", ""},
		{"managed by another program", entries{"app.kubernetes.io/managed-by": "backstage"}, nil, "", ""},
		{"kapp", entries{"kapp.k14s.io/app": "1", "kapp.k14s.io/association": "v1.x"}, entries{"kapp.k14s.io/identity": "v1;x"}, "", "kapp (label kapp.k14s.io/app)"},
		{"kapp, by the annotation", nil, entries{"kapp.k14s.io/identity": "v1;x"}, "", "kapp (annotation kapp.k14s.io/identity)"},
		{"an applyset", entries{"applyset.kubernetes.io/part-of": "x"}, nil, "", "kubectl apply --prune (label "},
		{"Config Sync", nil, entries{"config.k8s.io/owning-inventory": "x"}, "", "Config Sync (annotation "},
		{"Fleet", nil, entries{"objectset.rio.cattle.io/id": "x"}, "", "Fleet (annotation "},
		{"kubectl apply", nil, entries{"kubectl.kubernetes.io/last-applied-configuration": "{}"}, "kubectl-client-side-apply", ""},
		{"the HTTP API", nil, entries{"dispatcher.ivan.vc/defaulted": "true"}, "dispatcher", ""},
		{"nobody", nil, nil, "", ""},
	} {
		for ttl, variant := range map[string]struct {
			execution, template, job *int32
			remedy                   string
		}{
			"a TTL of its own":     {new(int32(60)), nil, nil, "leave out the TTL. "},
			"an inherited TTL":     {new(int32(60)), new(int32(60)), nil, `use another JobTemplate than "a"`},
			"a TTL of zero":        {new(int32(0)), nil, nil, "leave out the TTL. "},
			"a TTL of the Job":     {nil, nil, new(int32(60)), `use another JobTemplate than "a", whose Job`},
			"no TTL":               {nil, nil, nil, ""},
			"another than its own": {new(int32(60)), new(int32(90)), nil, `use another JobTemplate than "a"`},
		} {
			template := jobTemplate("a", "{{ .Payload }}")
			template.Spec.TTLSecondsAfterFinished = variant.template
			template.Spec.JobTemplate.Spec.TTLSecondsAfterFinished = variant.job
			execution := jobExecution("e", "a", "")
			execution.Labels, execution.Annotations = test.labels, test.annotations
			execution.Spec.TTLSecondsAfterFinished = variant.execution
			execution.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: test.manager}}

			got := strings.Join(rerunWarnings(execution, template), "\n")
			if test.want == "" || variant.remedy == "" {
				if got != "" {
					t.Errorf("%s, %s: got %q", test.reason, ttl, got)
				}
				continue
			}
			for _, part := range []string{"spec.ttlSecondsAfterFinished: " + test.want, variant.remedy, "put the revision into its name"} {
				if !strings.Contains(got, part) {
					t.Errorf("%s, %s: %q does not say %q", test.reason, ttl, got, part)
				}
			}
		}
	}
}

// What an execution takes from a template that such a tool manages is no mark of the tool.
func TestNoRerunWarningOfInheritedLabels(t *testing.T) {
	template := jobTemplate("a", "")
	template.Spec.TTLSecondsAfterFinished = new(int32(60))
	template.Labels, template.Annotations = map[string]string{"app.kubernetes.io/managed-by": "Helm"}, map[string]string{}
	for _, managed := range tools {
		for _, key := range managed.labels {
			template.Labels[key] = "x"
		}
		for _, key := range managed.annotations {
			template.Annotations[key] = "x"
		}
	}
	execution := jobExecution("e", "a", "")
	render.Inherit(execution, template)
	if warnings := rerunWarnings(execution, template); len(warnings) > 0 {
		t.Errorf("labels %v: got %q", execution.Labels, warnings)
	}
}

func TestValidateExecutionWarnsOfRerun(t *testing.T) {
	template := jobTemplate("a", "{{ .Payload }}")
	for _, test := range []struct {
		reason       string
		cached, live *dispatcherv1alpha1.JobTemplate
	}{
		{"by the cached template", template, template},
		{"by the current template", jobTemplate("a", refusing), changed(template)},
	} {
		validator := &jobExecutionValidator{
			manager:   knownAccount(),
			templates: newLookup(&stubReader{template: test.cached}, &stubReader{template: test.live}),
			renderer:  render.NewDirect(1),
		}
		execution := defaultedExecution("e", "a", "")
		execution.Annotations = map[string]string{"argocd.argoproj.io/tracking-id": "x"}
		execution.Spec.TTLSecondsAfterFinished = new(int32(60))
		warnings, err := validator.ValidateCreate(requestContext(t), execution)
		if err != nil || len(warnings) != 1 {
			t.Errorf("%s: warnings %q, %v", test.reason, warnings, err)
		}
	}
}
