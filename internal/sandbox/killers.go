package sandbox

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/clock"
	"k8s.io/utils/lru"
)

// What the pool remembers of requests that ended workers, so that a thousand executions do not end a thousand workers.
const (
	// rememberedCalls and rememberedTemplates bound the memory.
	rememberedCalls     = 4096
	rememberedTemplates = 512

	// rememberedFor is how long a template and a payload that ended a worker are refused without another try.
	rememberedFor = 5 * time.Minute

	// suspectAfter is how many different payloads must end workers, with none in between that renders, before a
	// template is rendered at intervals only. One bad payload, sent any number of times, takes nothing from a
	// template's other callers.
	suspectAfter = 3

	// suspectInterval is the time between two tries of such a template.
	suspectInterval = 2 * time.Second
)

// killers remembers which requests ended workers.
type killers struct {
	clock     clock.PassiveClock
	mutex     sync.Mutex
	calls     *lru.Cache // callKey to kill
	templates *lru.Cache // digest to *suspect
}

// callKey is a template and a payload. Name and caller of the execution are left out: they hardly ever matter.
type callKey struct {
	kind              kind
	template, payload digest
}

type kill struct {
	errs  field.ErrorList
	until time.Time
}

// suspect is a template that has ended workers since it last rendered.
type suspect struct {
	payloads map[digest]bool // at most suspectAfter
	last     time.Time
	next     time.Time // of a try
}

func newKillers(clock clock.PassiveClock) *killers {
	return &killers{clock: clock, calls: lru.New(rememberedCalls), templates: lru.New(rememberedTemplates)}
}

// refuse returns the error of a call that is not to be tried now. Where nothing is remembered, it does not ask for the
// key.
func (k *killers) refuse(keyOf func() callKey) field.ErrorList {
	if k.calls.Len() == 0 {
		return nil
	}
	key := keyOf()
	k.mutex.Lock()
	defer k.mutex.Unlock()
	now := k.clock.Now()
	if found, ok := k.calls.Get(key); ok {
		if known := found.(kill); now.Before(known.until) {
			return copied(known.errs)
		}
		k.calls.Remove(key)
	}
	s := k.suspect(key.template, now)
	if s == nil || len(s.payloads) < suspectAfter {
		return nil
	}
	if now.Before(s.next) {
		return retryable("rendering this template has ended render workers, with %d different payloads in a row: "+
			"it is tried every %v until a payload renders", suspectAfter, suspectInterval)
	}
	s.next = now.Add(suspectInterval)
	return nil
}

func (k *killers) suspect(template digest, now time.Time) *suspect {
	found, ok := k.templates.Get(template)
	if !ok {
		return nil
	}
	s := found.(*suspect)
	if now.Sub(s.last) > rememberedFor {
		k.templates.Remove(template)
		return nil
	}
	return s
}

// killed remembers that a call has ended its worker.
func (k *killers) killed(key callKey, errs field.ErrorList) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	now := k.clock.Now()
	k.calls.Add(key, kill{errs: copied(errs), until: now.Add(rememberedFor)})
	s := k.suspect(key.template, now)
	if s == nil {
		s = &suspect{payloads: map[digest]bool{}}
		k.templates.Add(key.template, s)
	}
	s.last, s.next = now, now.Add(suspectInterval)
	if len(s.payloads) < suspectAfter {
		s.payloads[key.payload] = true
	}
}

// rendered clears a template: its worker lives.
func (k *killers) rendered(template digest) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.templates.Remove(template)
}

func copied(errs field.ErrorList) field.ErrorList {
	list := make(field.ErrorList, len(errs))
	for i, err := range errs {
		list[i] = new(*err)
	}
	return list
}
