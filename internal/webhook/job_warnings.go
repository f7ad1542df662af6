package webhook

import (
	"context"
	"slices"
	"strings"
	"sync"

	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"

	"dispatcher.ivan.vc/internal/render"
)

// warningCollector gathers the warnings that the API server answers one request with.
type warningCollector struct {
	mu    sync.Mutex
	texts []string
}

type collectorKey struct{}

// collectWarnings returns a context whose requests put their warnings into the collector, when they are sent by a client
// whose config has a collectingHandler.
func collectWarnings(ctx context.Context) (context.Context, *warningCollector) {
	collector := &warningCollector{}
	return context.WithValue(ctx, collectorKey{}, collector), collector
}

func (c *warningCollector) list() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.texts)
}

// collectingHandler hands warnings to the collector of their context. Without one they are logged.
type collectingHandler struct{}

var _ rest.WarningHandlerWithContext = collectingHandler{}

// warningCode is the only code that the Kubernetes API warns with (RFC 7234: miscellaneous, persistent).
const warningCode = 299

// HandleWarningHeaderWithContext keeps the text of one warning.
func (collectingHandler) HandleWarningHeaderWithContext(ctx context.Context, code int, _, text string) {
	if code != warningCode || text == "" {
		return
	}
	collector, ok := ctx.Value(collectorKey{}).(*warningCollector)
	if !ok {
		ctrl.LoggerFrom(ctx).Info("warning from the API server", "warning", text)
		return
	}
	collector.mu.Lock()
	defer collector.mu.Unlock()
	collector.texts = append(collector.texts, text)
}

// templateWarnings passes on what the API server warns of in a rendered Job, for example that Pod Security will not
// admit its pods. Where a warning begins with a path, it becomes the template's. Warnings about the Job's name
// are left out: it is only a stand-in for the execution's.
func templateWarnings(texts []string) []string {
	var warnings []string
	for _, text := range texts {
		path, rest, found := strings.Cut(text, ": ")
		switch {
		case found && path == "metadata.name":
		case found && (strings.HasPrefix(path, "spec.") || strings.HasPrefix(path, "metadata.")):
			warnings = append(warnings, render.TemplatePath(path)+": "+rest)
		default:
			warnings = append(warnings, render.TemplatePath("")+": "+text)
		}
	}
	return warnings
}
