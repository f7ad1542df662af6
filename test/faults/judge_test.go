package faults

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// withoutJob are the ends that say why there was no Job.
var withoutJob = sets.New(
	dispatcherv1alpha1.ReasonJobTemplateNotFound, dispatcherv1alpha1.ReasonRenderFailed,
	dispatcherv1alpha1.ReasonJobInvalid, dispatcherv1alpha1.ReasonJobNameConflict,
)

// verdict is what comes out when a ledger is compared with a history.
type verdict struct {
	// broken are the promises that were broken, with the line of the ledger or the object.
	broken []string
	// accepted, ran, succeeded, failed, withoutJob, removed, early count executions; jobs counts all Jobs that there
	// ever were.
	accepted, ran, succeeded, failed, withoutJob, removed, early, jobs int
	// waits are the times from each execution to its Job.
	waits []time.Duration
	// swept were refused and stored nevertheless, and removed again. orphaned were not removed, since the process that
	// had refused them ended before it could. unanswered were stored, and their callers do not know. keyed are both,
	// and stand, since whoever repeats the key gets them. docs/faults.md explains these.
	swept, orphaned, unanswered, keyed int
}

func (v *verdict) String() string {
	return fmt.Sprintf("%d executions accepted, and %d stored whose callers got no answer; %d Jobs for %d executions; "+
		"%d succeeded, %d failed, %d ended without a Job and said why, %d were deleted by the test before their end; "+
		"%d were canceled or deleted before they had a Job; of those refused, "+
		"%d were stored and removed again, %d were not removed since the process had ended, %d stand for their key",
		v.accepted, v.unanswered, v.jobs, v.ran, v.succeeded, v.failed, v.withoutJob, v.removed, v.early, v.swept,
		v.orphaned, v.keyed)
}

// wait is the time to the Job that a share of the executions did not exceed.
func (v *verdict) wait(share float64) time.Duration {
	if len(v.waits) == 0 {
		return 0
	}
	slices.Sort(v.waits)
	return v.waits[int(share*float64(len(v.waits)-1))].Round(time.Millisecond)
}

func (v *verdict) breaks(format string, args ...any) {
	v.broken = append(v.broken, fmt.Sprintf(format, args...))
}

// stored is an execution that there ever was, with its Jobs.
type stored struct {
	*execution

	uid  types.UID
	jobs []*job
}

// swept is true if the execution was deleted before its time had run out.
func (s *stored) swept() bool {
	return s.deleted && (s.expires.IsZero() || s.deletedAt.Before(s.expires))
}

// judge compares what was sent with what there was.
func judge(l *ledger, h *history) *verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()

	v := &verdict{broken: append([]string{}, h.unstable...), jobs: len(h.jobs)}
	if h.err != nil {
		v.breaks("the history is not known: %v", h.err)
	}
	groups, groupOf := map[string][]*call{}, map[string]string{}
	for _, c := range l.calls {
		groups[c.group()] = append(groups[c.group()], c)
		groupOf[c.request] = c.group()
	}
	found := map[string][]*stored{}
	byUID := map[types.UID]*stored{}
	for uid, e := range h.executions {
		s := &stored{execution: e, uid: uid}
		byUID[uid] = s
		group, ok := groupOf[e.request]
		if !ok {
			v.breaks("execution %s has the request id %q, which nobody sent", e.name, e.request)
			continue
		}
		found[group] = append(found[group], s)
	}
	judgeJobs(v, h, byUID)
	for group, calls := range groups {
		judgeGroup(v, l, group, calls, found[group])
	}
	slices.Sort(v.broken)
	return v
}

// judgeJobs hands the Jobs to their executions.
func judgeJobs(v *verdict, h *history, executions map[types.UID]*stored) {
	for _, j := range h.jobs {
		owner := executions[j.owner]
		switch {
		case owner == nil:
			v.breaks("Job %s belongs to no execution that there ever was", j.name)
			continue
		case owner.deleted && !j.deleted && !j.going:
			v.breaks("Job %s is there, and its execution %s is gone", j.name, owner.name)
		case j.payload != "" && j.payload != owner.payload:
			v.breaks("Job %s has another payload than its execution %s", j.name, owner.name)
		}
		owner.jobs = append(owner.jobs, j)
	}
}

// uidOf is the UID of the execution that a call was answered with. An answer without a body has its name only.
func uidOf(c *call, found []*stored) types.UID {
	for _, s := range found {
		if c.uid == "" && s.name == c.name {
			return s.uid
		}
	}
	return c.uid
}

// judgeGroup judges the calls that are one execution at most.
func judgeGroup(v *verdict, l *ledger, group string, calls []*call, found []*stored) {
	answers := sets.New[types.UID]()
	for _, c := range calls {
		if c.accepted() {
			answers.Insert(uidOf(c, found))
		}
	}
	if len(found) > 1 {
		v.breaks("%s: %d executions: %v", group, len(found), calls)
	}
	if len(answers) > 0 {
		v.accepted++
		if len(answers) != 1 || len(found) == 0 || !answers.Has(found[0].uid) {
			v.breaks("%s: the answers name other executions than there are: %v", group, calls)
		}
	}
	for _, s := range found {
		if s.payload != calls[0].payload || s.template != calls[0].template {
			v.breaks("execution %s is not what was sent: %v", s.name, calls)
		}
		judgeExecution(v, l, s, len(answers) > 0, calls)
		if len(answers) == 0 {
			judgeUnaccepted(v, l, s, calls)
		}
	}
}

// judgeUnaccepted judges an execution that no caller was told of.
func judgeUnaccepted(v *verdict, l *ledger, s *stored, calls []*call) {
	var open, unanswered, keyed, ended bool
	for _, c := range calls {
		open = open || c.open()
		unanswered = unanswered || c.code == 0
		keyed = keyed || c.key != ""
		ended = ended || l.ended[c.to]
	}
	switch {
	case !open:
		v.breaks("execution %s was stored although every call was refused for good: %v", s.name, calls)
	case keyed:
		v.keyed++
	case unanswered:
		v.unanswered++
	case s.swept():
		v.swept++
	case ended:
		v.orphaned++
	default:
		v.breaks("execution %s is there although every call was refused: %v", s.name, calls)
	}
}

// judgeExecution judges what became of one execution.
func judgeExecution(v *verdict, l *ledger, s *stored, accepted bool, calls []*call) {
	if len(s.jobs) > 1 {
		v.breaks("execution %s ran %d times: %v", s.name, len(s.jobs), calls)
	}
	switch {
	case len(s.jobs) > 0:
		v.ran++
		v.waits = append(v.waits, s.jobs[0].created.Sub(s.created))
	case !withoutJob.Has(s.reason):
		v.early++
	}
	if !s.finished {
		switch {
		case !s.deleted:
			v.breaks("execution %s has not ended: it says %q (%s): %v", s.name, s.reason, s.message, calls)
		case l.deleted[s.uid]:
			v.removed++
		case accepted:
			v.breaks("execution %s was accepted and is gone, without an end: %v", s.name, calls)
		}
		return
	}
	judgeEnd(v, l, s, calls)
	// Without a TTL it goes when its Job is gone.
	goesWithJob := !s.hasTTL && len(s.jobs) == 1 && s.jobs[0].going
	if !s.deleted && !goesWithJob {
		v.breaks("execution %s ended and was not removed at the end of its time: %v", s.name, calls)
	}
}

// judgeEnd compares the end that the status tells of with the Job's.
func judgeEnd(v *verdict, l *ledger, s *stored, calls []*call) {
	switch {
	case withoutJob.Has(s.reason):
		v.withoutJob++
		if len(s.jobs) > 0 {
			v.breaks("execution %s says %s, and has a Job: %v", s.name, s.reason, calls)
		}
		if strings.Contains(s.message, "rendering ") {
			v.breaks("execution %s blames its template for a render worker that the test killed (%s): %v", s.name,
				s.message, calls)
		}
		return
	case s.reason == dispatcherv1alpha1.ReasonCanceled:
		v.failed++
		if !l.canceled[s.uid] {
			v.breaks("execution %s says %s, and nobody canceled it: %v", s.name, s.reason, calls)
		}
		return
	case len(s.jobs) == 0:
		v.breaks("execution %s says %s, and there never was a Job: %v", s.name, s.reason, calls)
		return
	}
	ran := s.jobs[0]
	if s.succeeded {
		v.succeeded++
	} else {
		v.failed++
	}
	switch {
	case s.succeeded && (!ran.complete || s.template == fails):
		v.breaks("execution %s says that it succeeded, and its Job did not: %v", s.name, calls)
	case s.reason == dispatcherv1alpha1.ReasonJobDeleted && !l.jobsDeleted[s.uid]:
		v.breaks("execution %s says %s, and nobody deleted its Job: %v", s.name, s.reason, calls)
	case !s.succeeded && s.reason != dispatcherv1alpha1.ReasonJobDeleted && !ran.failed:
		v.breaks("execution %s says %s, and its Job did not fail: %v", s.name, s.reason, calls)
	}
}
