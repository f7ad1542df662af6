package sandbox

import (
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"dispatcher.ivan.vc/internal/render"
)

func TestKillers(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Now())
	k := newKillers(clock)
	key := func(payload byte) callKey {
		return callKey{kind: kindJob, template: digest{1}, payload: digest{payload}}
	}
	refused := func(payload byte) string {
		errs := k.refuse(func() callKey { return key(payload) })
		switch {
		case len(errs) == 0:
			return "no"
		case render.Retryable(errs):
			return "for now"
		}
		return "for good"
	}
	step := func(what string, payload byte, want string) {
		t.Helper()
		if got := refused(payload); got != want {
			t.Errorf("%s: payload %d is refused: %s, want %s", what, payload, got, want)
		}
	}
	died := func(payloads ...byte) {
		for _, payload := range payloads {
			k.killed(key(payload), final("x"))
		}
	}
	pass := func(d time.Duration) { clock.SetTime(clock.Now().Add(d)) }

	step("at first", 1, "no")
	died(1)
	step("after a death", 1, "for good")
	step("after a death of another payload", 2, "no")
	died(1, 1, 1, 1)
	step("after many of the same payload", 2, "no")
	died(2)
	k.rendered(digest{1})
	died(3)
	step("after three, with a payload between that rendered", 4, "no")
	died(4, 5)
	step("after three in a row", 6, "for now")
	step("after three in a row", 5, "for good")
	pass(suspectInterval)
	step("after an interval", 6, "no")
	step("right after a try", 6, "for now")
	k.rendered(digest{1})
	step("after a payload that rendered", 7, "no")
	step("after a payload that rendered", 5, "for good")
	died(6, 7, 8)
	pass(rememberedFor + time.Second)
	step("long after", 5, "no")
	step("long after", 8, "no")
	step("long after", 9, "no")
}

// TestKillersAreBounded: whoever sends many bad payloads fills no memory.
func TestKillersAreBounded(t *testing.T) {
	k := newKillers(clocktesting.NewFakePassiveClock(time.Now()))
	for i := range 3 * rememberedCalls {
		k.killed(callKey{template: digest{byte(i), byte(i >> 8)}, payload: digest{byte(i), byte(i >> 8)}}, final("x"))
	}
	if k.calls.Len() != rememberedCalls || k.templates.Len() != rememberedTemplates {
		t.Errorf("%d calls and %d templates are remembered", k.calls.Len(), k.templates.Len())
	}
}

// TestErrorsAreCopied: who gets a remembered error may change it.
func TestErrorsAreCopied(t *testing.T) {
	k := newKillers(clocktesting.NewFakePassiveClock(time.Now()))
	k.killed(callKey{}, final("x"))
	refuse := func() string {
		errs := k.refuse(func() callKey { return callKey{} })
		told := errs[0].Detail
		errs[0].Detail += " changed"
		return told
	}
	if first, second := refuse(), refuse(); first != second {
		t.Errorf("%q became %q", first, second)
	}
}
