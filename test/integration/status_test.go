package integration

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// state is one line about an execution: every condition with its status, and the reason of Succeeded.
func state(execution *dispatcherv1alpha1.JobExecution) string {
	of := func(kind string) string {
		condition := meta.FindStatusCondition(execution.Status.Conditions, kind)
		if condition == nil {
			return "-"
		}
		return string(condition.Status)
	}
	reason := ""
	if succeeded := meta.FindStatusCondition(execution.Status.Conditions,
		dispatcherv1alpha1.ConditionSucceeded); succeeded != nil {
		reason = succeeded.Reason
	}
	return fmt.Sprintf("Waiting=%s Running=%s Succeeded=%s %s",
		of(dispatcherv1alpha1.ConditionWaiting), of(dispatcherv1alpha1.ConditionRunning),
		of(dispatcherv1alpha1.ConditionSucceeded), reason)
}

const (
	running   = "Waiting=False Running=True Succeeded=Unknown Running"
	succeeded = "Waiting=False Running=False Succeeded=True Succeeded"
)

func waiting(reason string) string {
	return "Waiting=True Running=False Succeeded=Unknown " + reason
}

func failed(reason string) string {
	return "Waiting=False Running=False Succeeded=False " + reason
}

// eventuallyState waits until an execution is in a state, and returns it.
func eventuallyState(ctx context.Context, execution *dispatcherv1alpha1.JobExecution,
	wanted string) *dispatcherv1alpha1.JobExecution {
	GinkgoHelper()
	found := &dispatcherv1alpha1.JobExecution{}
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(execution), found)).To(Succeed())
		g.Expect(state(found)).To(Equal(wanted), "message: %s", message(found))
	}).WithContext(ctx).Should(Succeed())
	return found
}

// message is that of the Succeeded condition.
func message(execution *dispatcherv1alpha1.JobExecution) string {
	if succeeded := meta.FindStatusCondition(execution.Status.Conditions,
		dispatcherv1alpha1.ConditionSucceeded); succeeded != nil {
		return succeeded.Message
	}
	return ""
}

// eventuallyGone waits until an object is deleted.
func eventuallyGone(ctx context.Context, object client.Object) {
	GinkgoHelper()
	Eventually(func() error {
		return admin.Get(ctx, client.ObjectKeyFromObject(object), object.DeepCopyObject().(client.Object))
	}).WithContext(ctx).Should(MatchError(ContainSubstring("not found")))
}

// touch changes an annotation, so that the controller looks at the execution again.
func touch(ctx context.Context, execution *dispatcherv1alpha1.JobExecution, value string) {
	GinkgoHelper()
	found := &dispatcherv1alpha1.JobExecution{}
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(execution), found)).To(Succeed())
	patch := client.MergeFrom(found.DeepCopy())
	metav1.SetMetaDataAnnotation(&found.ObjectMeta, "example.com/touched", value)
	Expect(admin.Patch(ctx, found, patch)).To(Succeed())
}

// eventsAbout lists the events about an execution.
func eventsAbout(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) []eventsv1.Event {
	GinkgoHelper()
	list := &eventsv1.EventList{}
	Expect(admin.List(ctx, list, client.InNamespace(execution.Namespace))).To(Succeed())
	var found []eventsv1.Event
	for _, event := range list.Items {
		if event.Regarding.Kind == "JobExecution" && event.Regarding.Name == execution.Name {
			found = append(found, event)
		}
	}
	return found
}

// reasonsOf returns the reason of each event.
func reasonsOf(events []eventsv1.Event) []string {
	reasons := make([]string, 0, len(events))
	for _, event := range events {
		reasons = append(reasons, event.Reason)
	}
	return reasons
}
