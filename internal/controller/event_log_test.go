package controller

import (
	"errors"
	"slices"
	"testing"

	"github.com/go-logr/logr/funcr"
)

// Only what may need somebody's attention is an error in the log.
func TestEventLog(t *testing.T) {
	for _, test := range []struct {
		reason, message string
		err             error
		want            bool
	}{
		{"the namespace is being deleted", "Server rejected event (will not retry!)", errTerminating(), false},
		{"the namespace is gone", "Server rejected event (will not retry!)", errGone, false},
		{"it is forbidden", "Server rejected event (will not retry!)", errQuota, true},
		{"a webhook denies it", "Server rejected event (will not retry!)", errNotFoundByWebhook, true},
		{"the API server cannot be reached", "Unable to write event", errors.New("connection refused"), true},
		{"another part says that a namespace is being deleted", "Reconciler error", errTerminating(), true},
	} {
		var levels []int
		sink := funcr.NewJSON(func(string) {}, funcr.Options{
			Verbosity: 1,
			RenderBuiltinsHook: func(values []any) []any {
				level := -1 // An error has none.
				if i := slices.Index(values, any("level")); i >= 0 {
					level = values[i+1].(int)
				}
				levels = append(levels, level)
				return values
			},
		})
		EventLog(sink).WithName("events").WithValues("a", "b").Error(test.err, test.message)
		if want := map[bool]int{true: -1, false: 1}[test.want]; !slices.Equal(levels, []int{want}) {
			t.Errorf("%s: levels %v, want %d", test.reason, levels, want)
		}
	}
}
