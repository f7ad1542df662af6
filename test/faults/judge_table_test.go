package faults

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// A judgement that finds nothing proves nothing, unless it finds what is there.
func TestJudge(t *testing.T) {
	accepted := func() []*call {
		return []*call{{request: "r", template: plain, payload: "p", to: process{"first", 1}, code: 201, name: "e",
			uid: "e"}}
	}
	refused := func(code int) []*call {
		c := accepted()
		c[0].code, c[0].name, c[0].uid = code, "", ""
		return c
	}
	keyed := func(calls ...*call) []*call {
		for _, c := range calls {
			c.key = "k"
		}
		return calls
	}
	// A repeat that is answered with the address alone.
	addressed := func(name string) *call {
		c := accepted()[0]
		c.code, c.name, c.uid = 200, name, ""
		return c
	}
	ended := func(change ...func(*execution)) map[types.UID]*execution {
		e := &execution{name: "e", request: "r", template: plain, payload: "p", finished: true, succeeded: true,
			reason: "Succeeded", deleted: true}
		for _, c := range change {
			c(e)
		}
		return map[types.UID]*execution{"e": e}
	}
	completed := func(change ...func(*job)) map[types.UID]*job {
		j := &job{name: "e", owner: "e", payload: "p", complete: true, deleted: true}
		for _, c := range change {
			c(j)
		}
		return map[types.UID]*job{"j": j}
	}
	twice := completed()
	twice["again"] = twice["j"]

	for name, row := range map[string]struct {
		calls      []*call
		executions map[types.UID]*execution
		jobs       map[types.UID]*job
		did        func(*ledger)
		broken     string // "" if nothing is
	}{
		"all is well":            {calls: accepted(), executions: ended(), jobs: completed()},
		"accepted and not there": {calls: accepted(), broken: "name other executions"},
		"a repeat got its address": {calls: keyed(accepted()[0], addressed("e")), executions: ended(),
			jobs: completed()},
		"a repeat got the address of another": {calls: keyed(accepted()[0], addressed("f")), executions: ended(),
			jobs: completed(), broken: "name other executions"},
		"never sent": {executions: ended(), jobs: completed(), broken: "nobody sent"},
		"another payload": {calls: accepted(), executions: ended(func(e *execution) { e.payload = "q" }),
			jobs: completed(func(j *job) { j.payload = "q" }), broken: "not what was sent"},
		"another payload in the Job": {calls: accepted(), executions: ended(),
			jobs: completed(func(j *job) { j.payload = "q" }), broken: "another payload"},
		"it ran twice": {calls: accepted(), executions: ended(), jobs: twice, broken: "ran 2 times"},
		"it never ran": {calls: accepted(), executions: ended(), broken: "there never was a Job"},
		"it says why it never ran": {calls: accepted(),
			executions: ended(func(e *execution) {
				e.succeeded, e.reason = false,
					dispatcherv1alpha1.ReasonRenderFailed
			})},
		"it blames the template": {calls: accepted(), executions: ended(func(e *execution) {
			e.succeeded, e.reason, e.message = false, dispatcherv1alpha1.ReasonRenderFailed,
				"rendering ended the render worker"
		}), broken: "blames its template"},
		"it says that it never ran": {calls: accepted(),
			executions: ended(func(e *execution) {
				e.succeeded, e.reason = false,
					dispatcherv1alpha1.ReasonRenderFailed
			}), jobs: completed(), broken: "and has a Job"},
		"it has not ended": {calls: accepted(),
			executions: ended(func(e *execution) {
				e.finished, e.deleted = false,
					false
			}), jobs: completed(), broken: "has not ended"},
		"it vanished": {calls: accepted(),
			executions: ended(func(e *execution) { e.finished = false }), jobs: completed(), broken: "without an end"},
		"it was deleted": {calls: accepted(), executions: ended(func(e *execution) { e.finished = false }),
			jobs: completed(), did: func(l *ledger) { l.deleted["e"] = true }},
		"it outlived its time": {calls: accepted(),
			executions: ended(func(e *execution) { e.deleted = false }), jobs: completed(), broken: "end of its time"},
		"its Job outlived it": {calls: accepted(), executions: ended(),
			jobs: completed(func(j *job) { j.deleted = false }), broken: "is gone"},
		"its Job is being removed": {calls: accepted(), executions: ended(),
			jobs: completed(func(j *job) { j.deleted, j.going = false, true })},
		"it goes with its Job": {calls: accepted(),
			executions: ended(func(e *execution) { e.deleted = false }), jobs: completed(func(j *job) {
				j.deleted,
					j.going = false, true
			})},
		"it should not wait for its Job": {calls: accepted(),
			executions: ended(func(e *execution) {
				e.deleted, e.hasTTL = false,
					true
			}), jobs: completed(func(j *job) { j.deleted, j.going = false, true }), broken: "end of its time"},
		"a Job of nobody": {calls: accepted(), executions: ended(),
			jobs: completed(func(j *job) { j.owner = "x" }), broken: "belongs to no execution"},
		"it says that it succeeded": {calls: accepted(), executions: ended(),
			jobs: completed(func(j *job) { j.complete = false }), broken: "its Job did not"},
		"it says that it failed": {calls: accepted(),
			executions: ended(func(e *execution) {
				e.succeeded, e.reason = false,
					"BackoffLimitExceeded"
			}), jobs: completed(), broken: "did not fail"},
		"nobody deleted the Job": {calls: accepted(),
			executions: ended(func(e *execution) {
				e.succeeded, e.reason = false,
					"JobDeleted"
			}), jobs: completed(), broken: "nobody deleted its Job"},
		"nobody canceled it": {calls: accepted(),
			executions: ended(func(e *execution) {
				e.succeeded, e.reason = false,
					"Canceled"
			}), jobs: completed(), broken: "nobody canceled"},
		"refused": {calls: refused(503)},
		"refused for good and stored": {calls: refused(422), executions: ended(), jobs: completed(),
			broken: "refused for good"},
		"refused, stored and removed": {calls: refused(503),
			executions: ended(func(e *execution) { e.finished = false }), jobs: completed()},
		"refused, and it ran": {calls: refused(503), executions: outlived(ended()), jobs: completed(),
			broken: "although every call was refused"},
		"refused by a process that ended": {calls: refused(503), executions: outlived(ended()), jobs: completed(),
			did: func(l *ledger) { l.ended[process{"first", 1}] = true }},
		"not answered, and it ran": {calls: refused(0), executions: ended(), jobs: completed()},
		"not answered, and it ran twice": {calls: refused(0), executions: ended(), jobs: twice,
			broken: "ran 2 times"},
		"a key that stands for what it did": {calls: keyed(refused(503)...), executions: outlived(ended()),
			jobs: completed()},
		"a key, repeated": {calls: keyed(append(accepted(), accepted()...)...), executions: ended(),
			jobs: completed()},
		"a key that is two": {
			calls: keyed(accepted()[0], &call{request: "s", template: plain, payload: "p", code: 201, name: "f",
				uid: "f"}),
			executions: func() map[types.UID]*execution {
				all := ended()
				all["f"] = ended(func(e *execution) { e.name, e.request = "f", "s" })["e"]
				return all
			}(),
			jobs: completed(), broken: "2 executions",
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, h := newLedger(), &history{executions: row.executions, jobs: row.jobs}
			for _, c := range row.calls {
				l.add(c)
			}
			if row.did != nil {
				row.did(l)
			}
			broken := judge(l, h).broken
			if row.broken == "" && len(broken) > 0 {
				t.Errorf("found %v", broken)
			}
			if row.broken != "" && !strings.Contains(strings.Join(broken, "\n"), row.broken) {
				t.Errorf("found %v, want %q", broken, row.broken)
			}
		})
	}
}

// outlived lets executions go at the end of their time.
func outlived(executions map[types.UID]*execution) map[types.UID]*execution {
	for _, e := range slices.Collect(maps.Values(executions)) {
		e.expires, e.deletedAt = time.Unix(1, 0), time.Unix(2, 0)
	}
	return executions
}
