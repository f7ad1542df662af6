package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/apitest"
	"dispatcher.ivan.vc/internal/httpapi/problem"
	"dispatcher.ivan.vc/internal/render"
)

// echo is a template whose Job has the payload in its first argument.
func echo(change ...func(*dispatcherv1alpha1.JobTemplate)) *dispatcherv1alpha1.JobTemplate {
	template := &dispatcherv1alpha1.JobTemplate{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "t", UID: "template", Generation: 7},
		Spec: dispatcherv1alpha1.JobTemplateSpec{JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{
			Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				RestartPolicy: corev1.RestartPolicyNever,
				Containers:    []corev1.Container{{Name: "c", Image: "i", Args: []string{"{{ .Payload }}"}}},
			}},
		}}},
	}
	for _, c := range change {
		c(template)
	}
	return template
}

func preview(s *server, accept string) *http.Response {
	request := httptest.NewRequest(http.MethodPut, "/execute/t?dryRun=All", strings.NewReader("p"))
	request.Header.Set("Accept", accept)
	request.Header.Set("Prefer", "wait=10")
	request.Header.Set(idempotencyKeyHeader, "k")
	return serve(s, request)
}

func TestPreview(t *testing.T) {
	for form, decode := range map[string]func([]byte, any) error{
		"application/json": json.Unmarshal,
		"application/yaml": func(body []byte, into any) error { return yaml.UnmarshalStrict(body, into) },
	} {
		api := newFakeAPIServer(t)
		api.Template = echo()
		response := preview(api.server(t, testOptions()), form)
		header := response.Header
		if response.StatusCode != http.StatusOK || header.Get("Content-Type") != form || header.Get("Location") != "" ||
			header.Get("Preference-Applied") != "" {
			t.Errorf("status = %d, header %v", response.StatusCode, header)
		}
		wantWarnings := []string{
			`299 - "odd payload"`,
			`299 - "spec.jobTemplate: would violate PodSecurity \"restricted:latest\""`,
		}
		if diff := cmp.Diff(wantWarnings, header.Values("Warning")); diff != "" {
			t.Errorf("warnings (-want +got):\n%s", diff)
		}
		body, _ := io.ReadAll(response.Body)
		var got batchv1.Job
		if err := decode(body, &got); err != nil {
			t.Fatal(err)
		}
		if got.Kind != "Job" || got.APIVersion != "batch/v1" ||
			!regexp.MustCompile(`^t-[a-z0-9]{10}$`).MatchString(got.Name) {
			t.Errorf("got a %s %s named %s", got.APIVersion, got.Kind, got.Name)
		}
		if diff := cmp.Diff([]string{"p"}, got.Spec.Template.Spec.Containers[0].Args); diff != "" {
			t.Errorf("arguments (-want +got):\n%s", diff)
		}
		// What the API server makes up for each object is left out, the rest is there.
		if strings.Contains(string(body), "tried") || !got.CreationTimestamp.IsZero() || got.ManagedFields != nil ||
			got.Spec.Selector != nil {
			t.Errorf("the Job has what only a real one can have:\n%s", body)
		}
		wantLabels := map[string]string{
			dispatcherv1alpha1.LabelJobTemplate: "t", dispatcherv1alpha1.LabelJobExecution: got.Name,
			batchv1.JobNameLabel: got.Name,
		}
		if diff := cmp.Diff(wantLabels, got.Spec.Template.Labels); diff != "" {
			t.Errorf("labels (-want +got):\n%s", diff)
		}
		if owner := metav1.GetControllerOf(&got); owner == nil || owner.Name != got.Name || owner.UID != "" {
			t.Errorf("the owner is %v", owner)
		}
		if got.Annotations[dispatcherv1alpha1.AnnotationJobTemplateGeneration] != "7" {
			t.Errorf("annotations = %v", got.Annotations)
		}
		if names := api.Names(); len(names) > 0 {
			t.Errorf("stored %v", names)
		}
	}
}

func TestPreviewKeepsAManualSelector(t *testing.T) {
	api := newFakeAPIServer(t)
	api.Template = echo(func(t *dispatcherv1alpha1.JobTemplate) { t.Spec.JobTemplate.Spec.ManualSelector = new(true) })
	var got batchv1.Job
	if err := json.NewDecoder(preview(api.server(t, testOptions()), "").Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Spec.Selector == nil {
		t.Error("the template's own selector is lost")
	}
}

func TestPreviewThatIsRefused(t *testing.T) {
	argument := "spec.jobTemplate.spec.template.spec.containers[0].args[0]"
	refusedExecution := func(err *apierrors.StatusError) func(*fakeAPIServer) {
		return func(f *fakeAPIServer) {
			f.OnCreate = func(w http.ResponseWriter, _ *http.Request, _ *dispatcherv1alpha1.JobExecution) bool {
				apitest.AnswerError(w, err)
				return true
			}
		}
	}
	refusedJob := func(err *apierrors.StatusError) func(*fakeAPIServer) {
		return func(f *fakeAPIServer) {
			f.OnTry = func(w http.ResponseWriter, _ *batchv1.Job) bool {
				apitest.AnswerError(w, err)
				return true
			}
		}
	}
	for _, test := range []struct {
		reason     string
		change     func(*fakeAPIServer)
		wantStatus int
		wantReason problem.Reason
		wantFields []string
	}{
		{"by admission, as the real call", refusedExecution(apierrors.NewInvalid(apitest.ExecutionKind, "", field.ErrorList{
			field.Invalid(field.NewPath("spec", "jobTemplate"), "", "x")})), 422, problem.Invalid, []string{"spec.jobTemplate"}},
		{"the template is gone since", func(f *fakeAPIServer) { f.Template = nil }, 404, problem.JobTemplateNotFound, nil},
		{"the template has changed since, and does not render", func(f *fakeAPIServer) {
			f.Template.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Args[0] = "{{ fail .Payload }}"
		}, 422, problem.Invalid, []string{argument}},
		{"or does not compile", func(f *fakeAPIServer) {
			f.Template.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Args[0] = "{{"
		}, 422, problem.Invalid, []string{argument}},
		{"the Job is invalid", refusedJob(
			apierrors.NewInvalid(schema.GroupKind{Group: "batch", Kind: "Job"}, "", field.ErrorList{
				field.Required(field.NewPath("spec", "template", "labels"), "")})), 422, problem.Invalid,
			[]string{"spec.jobTemplate.spec.template.metadata.labels"}},
		{"the Job is invalid, without causes", refusedJob(&apierrors.StatusError{
			ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: 422, Reason: "Invalid", Message: "no"},
		}), 422, problem.Invalid, []string{"spec.jobTemplate"}},
		{"the API server is busy", refusedJob(apierrors.NewTooManyRequests("x", 1)), 429, problem.TooManyRequests, nil},
		{"or away", refusedJob(apierrors.NewServiceUnavailable("x")), 503, problem.Unavailable, nil},
		{"or slow", refusedJob(apierrors.NewTimeoutError("x", 1)), 504, problem.Timeout, nil},
	} {
		t.Run(test.reason, func(t *testing.T) {
			api := newFakeAPIServer(t)
			api.Template = echo()
			test.change(api)
			server := api.server(t, testOptions())
			got := problemOf(t, preview(server, ""))
			if got.Status != test.wantStatus || got.Reason != test.wantReason {
				t.Errorf("got %+v", got)
			}
			var fields []string
			for _, wrong := range got.Errors {
				fields = append(fields, wrong.Field)
			}
			if diff := cmp.Diff(test.wantFields, fields); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
			if len(api.Names()) > 0 {
				t.Error("a preview leaves nothing behind")
			}
		})
	}
}

// The call would be accepted, and its execution would wait: so is the preview, with a warning.
func TestPreviewOfAJobThatIsRefusedForNow(t *testing.T) {
	jobs := schema.GroupResource{Group: "batch", Resource: "jobs"}
	denied := `admission webhook "x" denied the request: cost center`
	for _, test := range []struct {
		refusal *apierrors.StatusError
		want    string
	}{
		{apierrors.NewForbidden(jobs, "", errors.New("exceeded quota: no-jobs")), "exceeded quota: no-jobs"},
		{apierrors.NewForbidden(jobs, "", errors.New("hidden from callers")), "not allowed to create Jobs"},
		{apierrors.NewBadRequest(`admission webhook "x" does not support dry run`), "does not support dry run"},
		{apierrors.NewAlreadyExists(jobs, "n"), "there is a Job"},
		{&apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: 422, Reason: "Invalid", Message: denied,
		}}, "cost center"},
	} {
		api := newFakeAPIServer(t)
		api.Template = echo()
		api.OnTry = func(w http.ResponseWriter, _ *batchv1.Job) bool {
			apitest.AnswerError(w, test.refusal)
			return true
		}
		response := preview(api.server(t, testOptions()), "")
		body, _ := io.ReadAll(response.Body)
		var got batchv1.Job
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%v: %v: %s", test.refusal, err, body)
		}
		warned := strings.Join(response.Header.Values("Warning"), "\n")
		if response.StatusCode != http.StatusOK || !strings.Contains(warned, "would not be created now: ") ||
			!strings.Contains(warned, test.want) || strings.Contains(warned, "hidden") {
			t.Errorf("%v: status = %d, warnings %s", test.refusal, response.StatusCode, warned)
		}
		owner := metav1.GetControllerOf(&got)
		if args := got.Spec.Template.Spec.Containers[0].Args; args[0] != "p" || owner == nil || owner.UID != "" {
			t.Errorf("%v: args %q, owner %v", test.refusal, args, owner)
		}
	}
}

// A preview that is asked for in a way that is not understood must not run.
func TestOtherDryRuns(t *testing.T) {
	queries := []string{
		"dryRun=all", "dryRun=", "dryRun", "dryRun=true", "dryRun=All&dryRun=All", "dryRun=All;", "dryRun=%zz", "DryRun=All",
		"dryrun=All",
	}
	for _, query := range queries {
		api := newFakeAPIServer(t)
		request := httptest.NewRequest(http.MethodPut, "/execute/t", strings.NewReader("p"))
		request.URL.RawQuery = query
		got := problemOf(t, serve(api.server(t, testOptions()), request))
		if got.Status != http.StatusBadRequest || len(api.Methods()) > 0 {
			t.Errorf("%s: got %+v, calls %v", query, got, api.Methods())
		}
	}
}

func TestExecutionsComeInTheFormThatIsAskedFor(t *testing.T) {
	for accept, want := range map[string]string{
		"": "application/json", "*/*": "application/json", "application/yaml": "application/yaml",
		"text/html": "application/json", // To run nothing for it would help nobody.
	} {
		request := httptest.NewRequest(http.MethodPut, "/execute/t", strings.NewReader("p"))
		request.Header.Set("Accept", accept)
		response := serve(newFakeAPIServer(t).server(t, testOptions()), request)
		if got := response.Header.Get("Content-Type"); response.StatusCode != http.StatusCreated || got != want {
			t.Errorf("Accept: %s: status = %d, Content-Type = %q, want %q", accept, response.StatusCode, got, want)
		}
	}
	api := newFakeAPIServer(t)
	if got := problemOf(t, preview(api.server(t, testOptions()), "text/html")); got.Status != http.StatusNotAcceptable ||
		len(api.Methods()) > 0 {
		t.Errorf("a preview has one form or the other: got %+v", got)
	}
}

// Who may execute a template and not read it gets the verdict, and nothing that the template says.
func TestPreviewWithoutTheRightToReadTheTemplate(t *testing.T) {
	const secret = "hidden-in-the-template"
	for _, test := range []struct {
		reason string
		change func(*fakeAPIServer)
		want   int
	}{
		{"it would be accepted", func(*fakeAPIServer) {}, http.StatusNoContent},
		{"admission refuses it", func(f *fakeAPIServer) {
			f.OnCreate = func(w http.ResponseWriter, _ *http.Request, _ *dispatcherv1alpha1.JobExecution) bool {
				apitest.AnswerError(w, apierrors.NewInvalid(apitest.ExecutionKind, "", nil))
				return true
			}
		}, http.StatusUnprocessableEntity},
		{"what the API server says of the Job is not the caller's", func(f *fakeAPIServer) {
			f.OnTry = func(w http.ResponseWriter, job *batchv1.Job) bool {
				image := job.Spec.Template.Spec.Containers[0].Image
				err := apierrors.NewForbidden(schema.GroupResource{Resource: "jobs"}, image, io.EOF)
				apitest.AnswerError(w, err)
				return true
			}
		}, http.StatusNoContent},
		{"nor how it renders", func(f *fakeAPIServer) {
			f.Template.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Args[0] = "{{ fail .Payload }}"
		}, http.StatusNoContent},
	} {
		api := newFakeAPIServer(t)
		api.Template = echo(func(t *dispatcherv1alpha1.JobTemplate) {
			t.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Image = secret
		})
		test.change(api)
		d := testDependencies(api.client(t), testOptions())
		d.access = accessAs("alice", verbs("create", "get"))
		response := preview(newServer(d, testOptions(), logr.Discard()), "")
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != test.want || strings.Contains(string(body), secret) {
			t.Errorf("%s: status = %d, want %d; body %s", test.reason, response.StatusCode, test.want, body)
		}
		if len(response.Header.Values("Warning")) > 0 || response.Header.Get("Location") != "" {
			t.Errorf("%s: header %v", test.reason, response.Header)
		}
		if len(api.Names()) > 0 {
			t.Errorf("%s: stored %v", test.reason, api.Names())
		}
	}
}

// originRecorder remembers who asked for its last render.
type originRecorder struct {
	render.Renderer

	origin string
}

func (o *originRecorder) Job(
	ctx context.Context, template *dispatcherv1alpha1.JobTemplate, execution *dispatcherv1alpha1.JobExecution,
) (*batchv1.Job, field.ErrorList) {
	o.origin = render.Origin(ctx)
	return o.Renderer.Job(ctx, template, execution)
}

// Previews have turns of their own, whatever admission renders for the same namespace.
func TestRendersCountForTheHTTPAPI(t *testing.T) {
	api := newFakeAPIServer(t)
	api.Template = echo()
	d := testDependencies(api.client(t), testOptions())
	d.watcher, d.memory = api.watcher, api.memory
	recorder := &originRecorder{Renderer: d.renderer}
	d.renderer = recorder
	response := preview(newServer(d, testOptions(), logr.Discard()), "application/json")
	if response.StatusCode != http.StatusOK || recorder.origin != render.OriginHTTP {
		t.Errorf("status = %d, rendered for %q", response.StatusCode, recorder.origin)
	}
}
