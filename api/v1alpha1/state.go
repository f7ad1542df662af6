package v1alpha1

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// State is where an execution is, in one word.
type State string

// The states of an execution. A canceled execution is StateFailed.
const (
	StateWaiting   State = "waiting"
	StateRunning   State = "running"
	StateSucceeded State = "succeeded"
	StateFailed    State = "failed"
)

// States are all states, in the order in which an execution may pass through them.
var States = []State{StateWaiting, StateRunning, StateSucceeded, StateFailed}

// Summary returns the Succeeded condition, or an empty one.
func (s *JobExecutionStatus) Summary() metav1.Condition {
	return s.condition(ConditionSucceeded)
}

// IsFinished reports whether Succeeded is True or False. A finished execution never starts again.
func (s *JobExecutionStatus) IsFinished() bool {
	value := s.Summary().Status
	return value == metav1.ConditionTrue || value == metav1.ConditionFalse
}

// State returns the state that the conditions tell.
func (s *JobExecutionStatus) State() State {
	switch s.Summary().Status {
	case metav1.ConditionTrue:
		return StateSucceeded
	case metav1.ConditionFalse:
		return StateFailed
	}
	if s.condition(ConditionRunning).Status == metav1.ConditionTrue {
		return StateRunning
	}
	return StateWaiting
}

func (s *JobExecutionStatus) condition(name string) metav1.Condition {
	for _, condition := range s.Conditions {
		if condition.Type == name {
			return condition
		}
	}
	return metav1.Condition{}
}

// SetMissingTimes gives the conditions that have no lastTransitionTime the time at which the execution was created. The
// API server fills in such conditions at creation. It copies them, so that shared conditions do not change.
func (e *JobExecution) SetMissingTimes() {
	isMissing := func(c metav1.Condition) bool { return c.LastTransitionTime.IsZero() }
	if !slices.ContainsFunc(e.Status.Conditions, isMissing) {
		return
	}
	e.Status.Conditions = slices.Clone(e.Status.Conditions)
	for i := range e.Status.Conditions {
		if condition := &e.Status.Conditions[i]; isMissing(*condition) {
			condition.LastTransitionTime = e.CreationTimestamp
		}
	}
}

// Summary returns the Succeeded condition, or an empty one.
func (e *JobExecution) Summary() metav1.Condition { return e.Status.Summary() }

// IsFinished reports whether the execution has finished. A finished execution never starts again.
func (e *JobExecution) IsFinished() bool { return e.Status.IsFinished() }

// State returns the state of the execution.
func (e *JobExecution) State() State { return e.Status.State() }
