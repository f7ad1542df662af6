package webhook

import (
	"context"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// accessReviewer creates SubjectAccessReviews, which come back with their answer. It is a client.Client, or stands in
// for one.
type accessReviewer interface {
	Create(ctx context.Context, review client.Object, options ...client.CreateOption) error
}

// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create

// mayCreateJobs refuses, as forbidden, a user who may not create Jobs in the template's namespace. A stored template
// is run with the controller's rights: without this check, permission to write templates would be permission to run
// any pod.
func mayCreateJobs(
	ctx context.Context, access accessReviewer, user authenticationv1.UserInfo, template *dispatcherv1alpha1.JobTemplate,
) error {
	review := subjectAccessReview(user, template.Namespace)
	if err := access.Create(ctx, review); err != nil {
		return unavailable(fmt.Errorf("asking whether user %q may create Jobs: %w", user.Username, err))
	}
	if review.Status.Allowed {
		return nil
	}
	resource := schema.GroupResource{Group: dispatcherv1alpha1.GroupVersion.Group, Resource: "jobtemplates"}
	return apierrors.NewForbidden(resource, template.Name, fmt.Errorf(
		"only users who may create Jobs may create or change a JobTemplate: user %q cannot create resource %q in API group "+
			"%q in the namespace %q",
		user.Username,
		"jobs",
		"batch",
		template.Namespace,
	))
}

// subjectAccessReview asks whether user may create Jobs in namespace. It passes on everything that the API server
// knows about the user: authorizers may look at the groups, the UID and the extra attributes, such as the scopes of a
// token.
func subjectAccessReview(user authenticationv1.UserInfo, namespace string) *authorizationv1.SubjectAccessReview {
	var extra map[string]authorizationv1.ExtraValue
	if len(user.Extra) > 0 {
		extra = make(map[string]authorizationv1.ExtraValue, len(user.Extra))
		for key, values := range user.Extra {
			extra[key] = authorizationv1.ExtraValue(values)
		}
	}
	return &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: namespace,
				Verb:      "create",
				Group:     "batch",
				Version:   "v1",
				Resource:  "jobs",
			},
			User:   user.Username,
			Groups: user.Groups,
			UID:    user.UID,
			Extra:  extra,
		},
	}
}
