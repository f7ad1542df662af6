package faults

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// process is one life of a replica, from a start to its end.
type process struct {
	replica string
	life    int
}

func (p process) String() string { return fmt.Sprintf("%s#%d", p.replica, p.life) }

// call is one PUT and its answer: a line of the ledger.
type call struct {
	request  string // X-Request-Id, which the execution bears
	key      string // Idempotency-Key, where it has one
	template string
	payload  string // digest
	to       process
	sent     time.Time

	code int    // 0: no answer
	said string // why it was not answered, or refused

	name string // of the execution, where it was accepted
	uid  types.UID
}

// group is what is one execution at most: all calls with one key, or one call without.
func (c *call) group() string {
	if c.key != "" {
		return "key " + c.key
	}
	return "request " + c.request
}

func (c *call) accepted() bool { return c.code == http.StatusCreated || c.code == http.StatusOK }

// open is true if the call may have stored an execution although its caller was not told so.
func (c *call) open() bool { return c.code == 0 || c.code >= http.StatusInternalServerError }

func (c *call) String() string {
	text := fmt.Sprintf("PUT %s to %s with request id %s", c.template, c.to, c.request)
	if c.key != "" {
		text += " and Idempotency-Key " + c.key
	}
	switch {
	case c.accepted():
		return fmt.Sprintf("%s, answered %d with %s (%s)", text, c.code, c.name, c.uid)
	case c.code != 0:
		return fmt.Sprintf("%s, answered %d %s", text, c.code, c.said)
	}
	return fmt.Sprintf("%s, not answered (%s)", text, c.said)
}

// ledger is what the test knows by itself: what it sent and was answered, and what it did.
type ledger struct {
	mu       sync.Mutex
	calls    []*call
	accepted map[types.UID]bool // executions

	// deleted and canceled are executions, jobsDeleted are executions by their Jobs, that the test set out to delete or
	// cancel.
	deleted, canceled, jobsDeleted map[types.UID]bool
	// ended are processes that are no more.
	ended map[process]bool
}

func newLedger() *ledger {
	return &ledger{
		accepted: map[types.UID]bool{}, deleted: map[types.UID]bool{}, canceled: map[types.UID]bool{},
		jobsDeleted: map[types.UID]bool{},
		ended:       map[process]bool{},
	}
}

func (l *ledger) add(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, c)
	if c.accepted() {
		l.accepted[c.uid] = true
	}
}

func (l *ledger) acceptedSoFar() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.accepted)
}

// note marks what the test sets out to do, before it does it.
func (l *ledger) note(marks map[types.UID]bool, uid types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	marks[uid] = true
}

func (l *ledger) end(p process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended[p] = true
}

// counts sums the calls up by their answers.
func (l *ledger) counts() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	answers, keyed := map[string]int{}, 0
	for _, c := range l.calls {
		answers[strings.TrimSpace(fmt.Sprint(c.code, " ", reasonOf(c.said)))]++
		if c.key != "" {
			keyed++
		}
	}
	return fmt.Sprintf("%d calls, %d of them with a key; by status (0: no answer) and reason: %v", len(l.calls), keyed,
		answers)
}

// reasonOf is that of a problem, or nothing.
func reasonOf(said string) string {
	var problem struct{ Reason, Detail string }
	if json.Unmarshal([]byte(said), &problem) != nil {
		return ""
	}
	if problem.Reason == "Forbidden" {
		return problem.Reason + " " + problem.Detail
	}
	return problem.Reason
}

func digest(payload string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(payload)))[:16]
}
