package webhook

import (
	"context"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
	"dispatcher.ivan.vc/internal/trial"
)

// test/integration has a real API server. The stubs here answer as a test wants and remember what they were asked.

// stubAccess answers access reviews.
type stubAccess struct {
	denied  bool
	err     error
	reviews []*authorizationv1.SubjectAccessReview
}

func (s *stubAccess) Create(_ context.Context, object client.Object, _ ...client.CreateOption) error {
	review := object.(*authorizationv1.SubjectAccessReview)
	s.reviews = append(s.reviews, review.DeepCopy())
	review.Status.Allowed = !s.denied
	return s.err
}

// stubTrial answers each Job that is tried with answer, or finds it valid.
type stubTrial struct {
	answer func(job *batchv1.Job) (trial.Result, error)
	jobs   []*batchv1.Job
}

func (s *stubTrial) Try(_ context.Context, job *batchv1.Job) (trial.Result, error) {
	s.jobs = append(s.jobs, job.DeepCopy())
	if s.answer == nil {
		return trial.Result{Job: job}, nil
	}
	return s.answer(job)
}

// invalidJob is the answer to a Job that the API server calls invalid.
func invalidJob(err *field.Error) (trial.Result, error) {
	return trial.Result{Errors: field.ErrorList{err}, Refusal: &apierrors.StatusError{}}, nil
}

// newJobTemplateValidator returns a validator for which every user may create Jobs and every Job is valid, as far as
// the stubs do not say otherwise.
func newJobTemplateValidator(access *stubAccess, jobs *stubTrial) *jobTemplateValidator {
	return &jobTemplateValidator{access: access, renderer: render.NewDirect(1), trial: jobs}
}

// stubReader answers every read of a JobTemplate with template, or with NotFound, or with err.
type stubReader struct {
	client.Reader

	template *dispatcherv1alpha1.JobTemplate
	err      error
	blocks   bool
	gets     int
}

func (s *stubReader) Get(ctx context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	s.gets++
	if s.blocks {
		<-ctx.Done()
		return ctx.Err()
	}
	if s.err != nil {
		return s.err
	}
	if s.template == nil || s.template.Name != key.Name || s.template.Namespace != key.Namespace {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "jobtemplates"}, key.Name)
	}
	s.template.DeepCopyInto(object.(*dispatcherv1alpha1.JobTemplate))
	return nil
}

// errOfProxy is the 404 of a proxy before the API server, or of an API server that does not serve JobTemplates.
var errOfProxy error = apierrors.NewGenericServerResponse(
	404, "get", schema.GroupResource{Group: "dispatcher.ivan.vc", Resource: "jobtemplates"}, "a", "no such page", 0, true)

// managerUser is the user of the manager, and requestContext's is another one.
const managerUser = "system:serviceaccount:dispatcher-system:dispatcher-manager"

// knownAccount returns the account of a manager that knows already that it is managerUser.
func knownAccount() *account {
	known := &account{}
	known.name.Store(new(managerUser))
	return known
}

// requestContext returns a context as controller-runtime hands it to a webhook.
func requestContext(t *testing.T) context.Context { return requestContextOf(t, "jane") }

// requestContextOf is requestContext for a request of user.
func requestContextOf(t *testing.T, user string) context.Context {
	t.Helper()
	return admission.NewContextWithRequest(t.Context(), admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
		Namespace: "default",
		UserInfo:  authenticationv1.UserInfo{Username: user, Groups: []string{"writers"}},
	}})
}

// jobTemplate returns a template whose only templated string is the value of an environment variable.
func jobTemplate(name, value string) *dispatcherv1alpha1.JobTemplate {
	template := &dispatcherv1alpha1.JobTemplate{ObjectMeta: metav1.ObjectMeta{
		Name: name, Namespace: "default", UID: "1", Generation: 1, ResourceVersion: "1",
	}}
	template.Spec.JobTemplate.Spec.Template.Spec = corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever,
		Containers: []corev1.Container{{
			Name: "main", Image: "alpine", Env: []corev1.EnvVar{{Name: "VALUE", Value: value}},
		}},
	}
	return template
}

func jobExecution(name, template, payload string) *dispatcherv1alpha1.JobExecution {
	return &dispatcherv1alpha1.JobExecution{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
		Spec:       dispatcherv1alpha1.JobExecutionSpec{JobTemplateName: template, Payload: payload},
	}
}

// defaultedExecution is an execution as it comes to the validator.
func defaultedExecution(name, template, payload string) *dispatcherv1alpha1.JobExecution {
	execution := jobExecution(name, template, payload)
	execution.Labels = map[string]string{dispatcherv1alpha1.LabelJobTemplate: template}
	return execution
}

// causes returns the causes of an API error, field by field.
func causes(err error) map[string]metav1.CauseType {
	status, ok := err.(apierrors.APIStatus)
	if !ok || status.Status().Details == nil {
		return nil
	}
	found := map[string]metav1.CauseType{}
	for _, cause := range status.Status().Details.Causes {
		found[cause.Field] = cause.Type
	}
	return found
}

const valuePath = "spec.jobTemplate.spec.template.spec.containers[0].env[0].value"
