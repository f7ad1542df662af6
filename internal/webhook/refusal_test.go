package webhook

import (
	"context"
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"dispatcher.ivan.vc/internal/render"
)

// Where time ran out before a verdict, the object must not be called invalid.
func TestOutOfTimeIsNotInvalid(t *testing.T) {
	ctx, cancel := context.WithCancel(requestContext(t))
	cancel()
	template := jobTemplate("a", "{{ range 1000 }}{{ end }}")

	_, err := newJobTemplateValidator(&stubAccess{}, &stubTrial{}).ValidateCreate(ctx, template)
	if !apierrors.IsTimeout(err) {
		t.Errorf("JobTemplate: got %v, want 504", err)
	}

	live := &stubReader{err: errors.New("busy")}
	validator := &jobExecutionValidator{
		manager:   knownAccount(),
		templates: newLookup(&stubReader{template: template}, live),
		renderer:  render.NewDirect(1),
	}
	_, err = validator.ValidateCreate(ctx, defaultedExecution("e", "a", ""))
	if !apierrors.IsTimeout(err) {
		t.Errorf("JobExecution: got %v, want 504", err)
	}
	if live.gets > 0 {
		t.Error("the template was read again although nothing was found wrong with it")
	}
}

func TestRefusalsAreCounted(t *testing.T) {
	counter := refusals.WithLabelValues("JobTemplate", "Forbidden")
	before := testutil.ToFloat64(counter)
	validator := newJobTemplateValidator(&stubAccess{denied: true}, &stubTrial{})
	if _, err := validator.ValidateCreate(requestContext(t), jobTemplate("a", "")); err == nil {
		t.Fatal("accepted")
	}
	if got := testutil.ToFloat64(counter) - before; got != 1 {
		t.Errorf("counted %v refusals, want 1", got)
	}
}
