package monitoring

import (
	"net/http"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
)

// checkedManager is a manager whose health checks are served by this package. controller-runtime's own server of them
// has no limits.
type checkedManager struct {
	ctrl.Manager

	alive, ready *healthz.Handler
}

func newCheckedManager(mgr ctrl.Manager) *checkedManager {
	return &checkedManager{
		Manager: mgr,
		alive:   &healthz.Handler{Checks: map[string]healthz.Checker{}},
		ready:   &healthz.Handler{Checks: map[string]healthz.Checker{}},
	}
}

// AddHealthzCheck adds a check to /healthz. It must be called before the manager starts.
func (m *checkedManager) AddHealthzCheck(name string, check healthz.Checker) error {
	m.alive.Checks[name] = check
	return nil
}

// AddReadyzCheck adds a check to /readyz. It must be called before the manager starts.
func (m *checkedManager) AddReadyzCheck(name string, check healthz.Checker) error {
	m.ready.Checks[name] = check
	return nil
}

// handler serves all checks at /healthz and /readyz, and a single one below.
func (m *checkedManager) handler() http.Handler {
	mux := http.NewServeMux()
	for path, checks := range map[string]http.Handler{"/healthz": m.alive, "/readyz": m.ready} {
		checks = http.StripPrefix(path, checks)
		mux.Handle(path, checks)
		mux.Handle(path+"/", checks)
	}
	return mux
}
