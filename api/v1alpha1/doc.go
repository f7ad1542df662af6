// Package v1alpha1 is the API of Dispatcher: the JobTemplate and JobExecution kinds, the condition types and reasons
// that an execution reports, and the label and annotation keys that mark what Dispatcher made.
//
// It is the one package that every other room may import, and it imports none of them. It holds types and constants
// only: what needs a client, a clock or a template engine lives elsewhere.
//
// +kubebuilder:object:generate=true
// +groupName=dispatcher.ivan.vc
package v1alpha1
