package sandbox

import (
	"slices"
	"strings"
	"time"

	"k8s.io/utils/clock"
	"k8s.io/utils/lru"

	"dispatcher.ivan.vc/internal/render"
)

// heavyFlows remembers which flows are heavy: their renders take long, or end workers.
type heavyFlows struct {
	clock   clock.PassiveClock
	until   *lru.Cache // flow to the time until which it is heavy
	light   *lru.Cache // the flows whose last render did not take long
	known   *lru.Cache // the origins that had one
	origins *lru.Cache // origin to the last flows of it that were heavy, at most manyHeavy
}

func newHeavyFlows() *heavyFlows {
	return &heavyFlows{
		clock: clock.RealClock{}, until: lru.New(rememberedFlows), light: lru.New(rememberedFlows),
		known:   lru.New(rememberedFlows),
		origins: lru.New(rememberedFlows),
	}
}

// note remembers how a render of a flow ended.
func (h *heavyFlows) note(f flow, heavy bool) {
	if !heavy {
		h.light.Add(f, nil)
		h.known.Add(f.origin, nil)
		return
	}
	h.light.Remove(f)
	h.until.Add(f, h.clock.Now().Add(heavyFor))
	recent := slices.DeleteFunc(slices.Clone(h.recent(f.origin)), func(other flow) bool { return other == f })
	h.origins.Add(f.origin, append(recent[max(len(recent)-manyHeavy+1, 0):], f))
}

func (h *heavyFlows) recent(origin string) []flow {
	recent, _ := h.origins.Get(origin)
	flows, _ := recent.([]flow)
	return flows
}

// isHeavy reports whether a flow is heavy. Of an address that has sent no other review yet, and of an origin with many
// heavy flows, so is a new flow until a render of it shows that it is not: strangers come from other addresses than API
// servers, and can name another namespace in each review.
func (h *heavyFlows) isHeavy(f flow) bool {
	if h.isKnown(f) {
		return true
	}
	if _, light := h.light.Get(f); light {
		return false
	}
	if _, known := h.known.Get(f.origin); !known && strings.HasPrefix(f.origin, render.OriginWebhook) {
		return true
	}
	recent := h.recent(f.origin)
	return len(recent) == manyHeavy && !slices.ContainsFunc(recent, func(other flow) bool { return !h.isKnown(other) })
}

func (h *heavyFlows) isKnown(f flow) bool {
	until, ok := h.until.Get(f)
	return ok && h.clock.Now().Before(until.(time.Time))
}
