// Package v1alpha1 is the API of Dispatcher: the JobTemplate and JobExecution kinds, the condition types and reasons
// that an execution reports, what every other package asks of an execution (IsFinished, State), and the keys of
// labels and annotations.
//
// Every other package may import it, and it imports none of them. It must not need a client, a clock or a template
// engine.
//
// +kubebuilder:object:generate=true
// +groupName=dispatcher.ivan.vc
package v1alpha1
