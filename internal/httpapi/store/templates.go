package store

import (
	"context"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// +kubebuilder:rbac:groups=dispatcher.ivan.vc,resources=jobtemplates,verbs=get;list

// Template returns a JobTemplate as it is now.
func (s *Store) Template(ctx context.Context, namespace, name string) (*dispatcherv1alpha1.JobTemplate, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), LookupTimeout)
	defer cancel()
	found := &dispatcherv1alpha1.JobTemplate{}
	if err := about(s.dispatcher.Get(), resourceTemplates, namespace).Name(name).Do(ctx).Into(found); err != nil {
		return nil, translateCall(err, Target{Namespace: namespace, Template: name})
	}
	return found, nil
}
