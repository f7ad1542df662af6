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

// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create

// mayCreateJobs refuses, as forbidden, a user who may not create Jobs in the template's namespace. A stored template is
// run with the controller's rights: without this check, the right to write templates would be the right to run any pod,
// as if Kubernetes RBAC let one grant what one lacks.
func mayCreateJobs(ctx context.Context, access client.Client, user authenticationv1.UserInfo, template *dispatcherv1alpha1.JobTemplate) error {
	review := subjectAccessReview(user, template.Namespace)
	if err := access.Create(ctx, review); err != nil {
		return unavailable(fmt.Sprintf("asking whether user %q may create Jobs", user.Username), err)
	}
	if review.Status.Allowed {
		return nil
	}
	resource := schema.GroupResource{Group: dispatcherv1alpha1.GroupVersion.Group, Resource: "jobtemplates"}
	return apierrors.NewForbidden(resource, template.Name, fmt.Errorf(
		"who creates or changes a JobTemplate must be allowed to create its Jobs: user %q cannot create resource %q in API group %q in the namespace %q",
		user.Username, "jobs", "batch", template.Namespace))
}

// subjectAccessReview asks whether user may create Jobs in namespace. All that the API server knows of the user goes
// along: authorizers may look at the groups, the UID and the extra attributes, such as the scopes of a token.
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
