package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
	"dispatcher.ivan.vc/test/controlplane"
)

// rawGroupVersion holds a copy of the CRD of JobExecutions: the same schema, the same rules and the same defaults, but
// no webhook and no controller knows it. So nothing has to be switched off and on between turns.
var rawGroupVersion = schema.GroupVersion{
	Group:   "raw." + dispatcherv1alpha1.GroupVersion.Group,
	Version: dispatcherv1alpha1.GroupVersion.Version,
}

// rawClient writes what Dispatcher writes, by itself, with the same client library.
type rawClient struct {
	client client.Client
	number atomic.Int64

	mutex  sync.Mutex
	models map[string]*model
}

// model is what the raw client copies: the objects of an execution, rendered once.
type model struct {
	execution *dispatcherv1alpha1.JobExecution
	job       *batchv1.Job
}

func newRawClient(plane *controlplane.ControlPlane, user *rest.Config) (*rawClient, error) {
	crd := &apiextensionsv1.CustomResourceDefinition{}
	content, err := os.ReadFile(
		filepath.Join(plane.Root, "config", "crd", "bases", "dispatcher.ivan.vc_jobexecutions.yaml"),
	)
	if err != nil {
		return nil, fmt.Errorf("reading the CRD: %w", err)
	}
	if err := yaml.Unmarshal(content, crd); err != nil {
		return nil, fmt.Errorf("parsing the CRD: %w", err)
	}
	crd.Spec.Group = rawGroupVersion.Group
	crd.Name = crd.Spec.Names.Plural + "." + crd.Spec.Group
	if _, err := envtest.InstallCRDs(
		plane.Config, envtest.CRDInstallOptions{CRDs: []*apiextensionsv1.CustomResourceDefinition{crd}},
	); err != nil {
		return nil, fmt.Errorf("installing the copy of the CRD: %w", err)
	}
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("building the scheme: %w", err)
	}
	scheme.AddKnownTypes(rawGroupVersion, &dispatcherv1alpha1.JobExecution{}, &dispatcherv1alpha1.JobExecutionList{})
	metav1.AddToGroupVersion(scheme, rawGroupVersion)
	raw, err := client.New(user, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("making the raw client: %w", err)
	}
	return &rawClient{client: raw, models: map[string]*model{}}, nil
}

// learn renders the Job of template once, to be copied.
func (r *rawClient) learn(ctx context.Context, template *dispatcherv1alpha1.JobTemplate) error {
	execution := &dispatcherv1alpha1.JobExecution{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: template.Namespace,
			Name:      "model",
			Labels:    map[string]string{dispatcherv1alpha1.LabelJobTemplate: template.Name},
			Annotations: map[string]string{
				dispatcherv1alpha1.AnnotationRequestID:  "fb58856b-4fd6-48fe-97cf-9ff461f4b352",
				dispatcherv1alpha1.AnnotationReceivedAt: time.Now().UTC().Format(time.RFC3339Nano),
			},
		},
		Spec: dispatcherv1alpha1.JobExecutionSpec{JobTemplateName: template.Name, Payload: payload},
	}
	job, errs := render.NewDirect(1).Job(ctx, template, execution)
	if len(errs) > 0 {
		return errs.ToAggregate()
	}
	job.OwnerReferences[0].APIVersion = rawGroupVersion.String()
	for _, keys := range []*map[string]string{
		&execution.Labels, &execution.Annotations, &job.Labels, &job.Annotations, &job.Spec.Template.Labels,
	} {
		*keys = rename(*keys)
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.models[template.Namespace] = &model{execution: execution, job: job}
	return nil
}

// create stores an execution.
func (r *rawClient) create(ctx context.Context, namespace string) (*dispatcherv1alpha1.JobExecution, *model, error) {
	r.mutex.Lock()
	m := r.models[namespace]
	r.mutex.Unlock()
	execution := m.execution.DeepCopy()
	execution.Name = fmt.Sprintf("%s-%010d", execution.Spec.JobTemplateName, r.number.Add(1))
	return execution, m, r.client.Create(ctx, execution)
}

// createOnly stores an execution and nothing else.
func (r *rawClient) createOnly(ctx context.Context, namespace string) (done, error) {
	begin := time.Now()
	_, _, err := r.create(ctx, namespace)
	return done{answered: time.Since(begin)}, err
}

// runAll does the four writes of an execution, one after the other.
func (r *rawClient) runAll(ctx context.Context, namespace string) (done, error) {
	begin := time.Now()
	execution, m, err := r.create(ctx, namespace)
	if err != nil {
		return done{}, err
	}
	result := done{answered: time.Since(begin), job: execution.Name}

	job := m.job.DeepCopy()
	job.Name = execution.Name
	job.OwnerReferences[0].Name, job.OwnerReferences[0].UID = execution.Name, execution.UID
	for _, labels := range []map[string]string{job.Labels, job.Spec.Template.Labels} {
		for key, value := range labels {
			if value == m.execution.Name {
				labels[key] = execution.Name
			}
		}
	}
	if err := r.client.Create(ctx, job); err != nil {
		return result, err
	}
	for _, status := range []dispatcherv1alpha1.JobExecutionStatus{runningStatus(job), succeededStatus(job)} {
		patch, err := json.Marshal(map[string]any{"status": status})
		if err != nil {
			return result, err
		}
		if err := r.client.Status().Patch(ctx, execution, client.RawPatch(types.MergePatchType, patch)); err != nil {
			return result, err
		}
	}
	return result, nil
}

func runningStatus(job *batchv1.Job) dispatcherv1alpha1.JobExecutionStatus {
	return statusOf(job, dispatcherv1alpha1.ConditionRunning, metav1.ConditionUnknown, dispatcherv1alpha1.ReasonRunning)
}

func succeededStatus(job *batchv1.Job) dispatcherv1alpha1.JobExecutionStatus {
	status := statusOf(
		job, dispatcherv1alpha1.ConditionSucceeded, metav1.ConditionTrue, dispatcherv1alpha1.ReasonSucceeded,
	)
	status.CompletionTime = status.StartTime
	status.Duration = &metav1.Duration{}
	return status
}

// statusOf is a status as Dispatcher writes it.
func statusOf(
	job *batchv1.Job, active string, summary metav1.ConditionStatus, reason string,
) dispatcherv1alpha1.JobExecutionStatus {
	now := metav1.Now()
	status := dispatcherv1alpha1.JobExecutionStatus{
		Job: &dispatcherv1alpha1.JobReference{
			APIVersion: "batch/v1",
			Kind:       "Job",
			Name:       job.Name,
			UID:        job.UID,
		},
		JobTemplate:        &dispatcherv1alpha1.JobTemplateReference{UID: job.UID, Generation: 1},
		StartTime:          &now,
		ObservedGeneration: 1,
	}
	for _, condition := range []string{
		dispatcherv1alpha1.ConditionWaiting,
		dispatcherv1alpha1.ConditionRunning,
		dispatcherv1alpha1.ConditionSucceeded,
	} {
		value, message := metav1.ConditionFalse, ""
		if condition == active {
			value, message = metav1.ConditionTrue, "Job "+job.Name+" is running"
		}
		if condition == dispatcherv1alpha1.ConditionSucceeded {
			value, message = summary, "Job "+job.Name+" is running"
		}
		status.Conditions = append(status.Conditions, metav1.Condition{
			Type: condition, Status: value, Reason: reason, Message: message, ObservedGeneration: 1, LastTransitionTime: now,
		})
	}
	return status
}

// jobNamed is a Job as far as a status tells of it.
func jobNamed(name string, uid types.UID) *batchv1.Job {
	return &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name, UID: uid}}
}
