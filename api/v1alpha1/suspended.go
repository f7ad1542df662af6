package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// CauseTemplateSuspended is the type of the cause in the refusal of a JobExecution whose JobTemplate is suspended. The
// refusal has the code 409.
const CauseTemplateSuspended metav1.CauseType = "TemplateSuspended"
