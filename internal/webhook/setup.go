package webhook

import (
	"context"
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/objectcache"
	"dispatcher.ivan.vc/internal/render"
	"dispatcher.ivan.vc/internal/trial"
)

// These markers generate config/webhook/manifests.yaml.
//
// The JobTemplate webhook is asked about changes of what runs. Labels and annotations are part of that where strings
// of the template use them. Other metadata must always pass, also where a template that an older release stored would
// be refused today.
//
// Another webhook is asked about the same changes before the API server checks the schema: it says what to write
// instead of duplicates in lists.
//
// An execution from the HTTP API has its defaults already and says so in an annotation, which saves a call. It must
// have the label by which executions are found, and nobody may set that to another template. The validating webhook is
// called for every new execution, and refuses the annotation from other users. Of the updates of executions, the
// defaulting webhook is asked about changes of the caller, and the validating one about changes of annotations: an
// update of the status or a finalizer costs no call.
//
// +kubebuilder:webhookconfiguration:mutating=false,name=validating-webhook-configuration
// +kubebuilder:webhookconfiguration:mutating=true,name=mutating-webhook-configuration
// +kubebuilder:webhook:path=/validate-dispatcher-ivan-vc-v1alpha1-jobtemplate,mutating=false,failurePolicy=fail,matchPolicy=Equivalent,sideEffects=None,timeoutSeconds=10,groups=dispatcher.ivan.vc,resources=jobtemplates,verbs=create;update,versions=v1alpha1,name=jobtemplate.dispatcher.ivan.vc,admissionReviewVersions=v1,patch=`{"matchConditions":[{"name":"what-runs-changed","expression":"request.operation == 'CREATE' || object.spec != oldObject.spec || object.metadata.?labels != oldObject.metadata.?labels || object.metadata.?annotations != oldObject.metadata.?annotations"}]}`
// +kubebuilder:webhook:path=/explain-duplicates-dispatcher-ivan-vc-v1alpha1-jobtemplate,mutating=true,failurePolicy=ignore,matchPolicy=Equivalent,reinvocationPolicy=Never,sideEffects=None,timeoutSeconds=3,groups=dispatcher.ivan.vc,resources=jobtemplates,verbs=create;update,versions=v1alpha1,name=jobtemplate-duplicates.dispatcher.ivan.vc,admissionReviewVersions=v1,patch=`{"matchConditions":[{"name":"spec-changed","expression":"request.operation == 'CREATE' || object.spec != oldObject.spec"}]}`
// +kubebuilder:webhook:path=/warn-deletion-dispatcher-ivan-vc-v1alpha1-jobtemplate,mutating=false,failurePolicy=ignore,matchPolicy=Equivalent,sideEffects=None,timeoutSeconds=3,groups=dispatcher.ivan.vc,resources=jobtemplates,verbs=delete,versions=v1alpha1,name=jobtemplate-deletion.dispatcher.ivan.vc,admissionReviewVersions=v1
// +kubebuilder:webhook:path=/validate-dispatcher-ivan-vc-v1alpha1-jobexecution,mutating=false,failurePolicy=fail,matchPolicy=Equivalent,sideEffects=None,timeoutSeconds=10,groups=dispatcher.ivan.vc,resources=jobexecutions,verbs=create;update,versions=v1alpha1,name=jobexecution.dispatcher.ivan.vc,admissionReviewVersions=v1,patch=`{"matchConditions":[{"name":"annotations-changed","expression":"request.operation == 'CREATE' || object.metadata.?annotations != oldObject.metadata.?annotations"}]}`
// +kubebuilder:webhook:path=/mutate-dispatcher-ivan-vc-v1alpha1-jobexecution,mutating=true,failurePolicy=fail,matchPolicy=Equivalent,reinvocationPolicy=Never,sideEffects=None,timeoutSeconds=10,groups=dispatcher.ivan.vc,resources=jobexecutions,verbs=create;update,versions=v1alpha1,name=jobexecution.dispatcher.ivan.vc,admissionReviewVersions=v1,patch=`{"matchConditions":[{"name":"fields-to-set","expression":"request.operation == 'UPDATE' ? object.?spec.?caller != oldObject.?spec.?caller : !(has(object.metadata.annotations) && 'dispatcher.ivan.vc/defaulted' in object.metadata.annotations && has(object.metadata.labels) && 'dispatcher.ivan.vc/job-template' in object.metadata.labels && has(object.spec) && has(object.spec.jobTemplateName) && object.metadata.labels['dispatcher.ivan.vc/job-template'] == object.spec.jobTemplateName)"}]}`

// Setup registers every webhook with the manager's webhook server. A panic in a webhook is answered as an error,
// which is controller-runtime's default. The informers of the manager must have the options of objects.
func Setup(mgr ctrl.Manager, renderer render.Renderer, objects *objectcache.Cache) error {
	jobs, err := trial.New(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return err
	}
	hooks := newHooks(mgr.GetClient(), mgr.GetAPIReader(), jobs, renderer, objects)
	err = ctrl.NewWebhookManagedBy(mgr, &dispatcherv1alpha1.JobTemplate{}).WithValidator(hooks.templates).Complete()
	if err != nil {
		return fmt.Errorf("registering the JobTemplate webhook: %w", err)
	}
	err = ctrl.NewWebhookManagedBy(mgr, &dispatcherv1alpha1.JobExecution{}).
		WithDefaulter(hooks.defaults).
		WithValidator(hooks.executions).
		Complete()
	if err != nil {
		return fmt.Errorf("registering the JobExecution webhooks: %w", err)
	}
	mgr.GetWebhookServer().Register(duplicatesPath, &admission.Webhook{Handler: duplicateExplainer{}})
	return setupDeletionWarning(mgr, hooks.deletions)
}

// hooks are all webhooks.
type hooks struct {
	templates  *jobTemplateValidator
	defaults   *jobExecutionDefaulter
	executions *jobExecutionValidator
	deletions  *deletionWarner
}

// newHooks returns the webhooks, which share their turns at the API server and at the cache.
func newHooks(
	cached client.Client, apiReader client.Reader, jobs trial.Trier, renderer render.Renderer, objects *objectcache.Cache,
) hooks {
	shared := newCalls()
	access := fairReviews{shared, cached}
	manager := &account{reviews: access}
	templates := newTemplateLookup(objects.Templates(cached, fairReader{apiReader, shared}))
	fairJobs := newFairTrier(shared, jobs)
	return hooks{
		templates: &jobTemplateValidator{access: access, renderer: renderer, trial: fairJobs},
		defaults:  &jobExecutionDefaulter{manager: manager, templates: templates},
		executions: &jobExecutionValidator{
			manager: manager, templates: templates, renderer: renderer, trial: fairJobs,
		},
		deletions: &deletionWarner{executions: cached, calls: shared},
	}
}

func setupDeletionWarning(mgr ctrl.Manager, warner *deletionWarner) error {
	err := mgr.GetFieldIndexer().IndexField(context.Background(), &dispatcherv1alpha1.JobExecution{},
		indexUnfinished, unfinishedTemplate)
	if err != nil {
		return fmt.Errorf("indexing unfinished executions: %w", err)
	}
	mgr.GetWebhookServer().Register(deletionPath, &admission.Webhook{Handler: warner})
	return nil
}
