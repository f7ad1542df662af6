package objectcache

import (
	"math/rand/v2"
	"testing"
)

// Whatever is put, what is kept weighs no more than the limit.
func TestBoundedNeverExceedsItsLimit(t *testing.T) {
	const limit = 64 << 10
	b := newBounded[int, int64](limit)
	for range 100_000 {
		key, weight := rand.IntN(500), rand.Int64N(limit/2)
		b.put(key, weight, weight)
		if rand.IntN(4) == 0 {
			b.remove(rand.IntN(500))
		}
		if b.used > limit {
			t.Fatalf("%d bytes are in use, the limit is %d", b.used, limit)
		}
	}
	var sum int64
	for key := range 500 {
		if weight, ok := b.get(key); ok {
			sum += weight + entryOverhead
		}
	}
	if sum != b.used || len(b.entries) != b.recent.Len() {
		t.Errorf("%d bytes are kept, %d are counted; %d entries, %d in order", sum, b.used, len(b.entries), b.recent.Len())
	}
}

func TestBounded(t *testing.T) {
	const limit = 8 << 10
	const weight = limit/4 - entryOverhead // Four fit.
	for _, test := range []struct {
		reason string
		do     func(*bounded[string, int])
		want   string // The keys that are kept, of a to e.
	}{
		{"all fit", func(*bounded[string, int]) {}, "abcd"},
		{"the oldest goes", func(b *bounded[string, int]) { b.put("e", 0, weight) }, "bcde"},
		{"what was read stays", func(b *bounded[string, int]) { b.get("a"); b.put("e", 0, weight) }, "acde"},
		{"what was put again stays", func(b *bounded[string, int]) { b.put("a", 0, weight); b.put("e", 0, weight) }, "acde"},
		{"what is too heavy drops nothing else", func(b *bounded[string, int]) { b.put("e", 0, weight+1) }, "abcd"},
		{"what is too heavy replaces what it was", func(b *bounded[string, int]) { b.put("b", 0, weight+1) }, "acd"},
		{"one is removed", func(b *bounded[string, int]) { b.remove("c"); b.remove("e") }, "abd"},
	} {
		b := newBounded[string, int](limit)
		for _, key := range []string{"a", "b", "c", "d"} {
			b.put(key, 1, weight)
		}
		test.do(b)
		kept := ""
		for _, key := range []string{"a", "b", "c", "d", "e"} {
			if _, ok := b.get(key); ok {
				kept += key
			}
		}
		if kept != test.want {
			t.Errorf("%s: %s are kept, want %s", test.reason, kept, test.want)
		}
	}
}
