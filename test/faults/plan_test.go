package faults

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"time"
)

// deed is what the test does to an execution some time after it was accepted.
type deed string

const (
	nothing   deed = ""
	remove    deed = "delete"
	cancel    deed = "cancel"
	removeJob deed = "delete the Job"
	resume    deed = "resume the Job"
)

// plan is one execution as the seed has it: what is sent, how often, and what is done to it.
type plan struct {
	template, payload string
	// replicas are those that the calls go to, one after the other. More than one call need a key.
	replicas []int
	keyed    bool
	// pauses are before each call.
	pauses []time.Duration

	then  deed
	after time.Duration
}

// planned returns the n-th plan.
func planned(s settings, n uint64) plan {
	const use = 1
	random := s.random(use, n)
	p := plan{
		template: choose(random, plain, plain, plain, fails, short, jobTTL, withJob, randomName, suspended, onlyJSON,
			edited, edited),
		replicas: []int{random.IntN(2)},
		pauses:   []time.Duration{0},
		after:    between(random, 0, 4*time.Second),
	}
	if random.IntN(50) == 0 {
		p.template = missing
	}
	p.payload = payload(random)
	// A key is good as long as its execution is kept.
	if p.template != short && p.template != withJob && random.IntN(4) == 0 {
		p.keyed = true
		for range random.IntN(3) {
			p.replicas = append(p.replicas, random.IntN(2))
			p.pauses = append(p.pauses, time.Duration(random.IntN(2))*between(random, 1, 3*time.Second))
		}
	}
	switch {
	case p.template == suspended:
		p.then = choose(random, resume, resume, cancel, remove)
	case p.keyed: // To repeat the key of an execution that was deleted is to start another.
	case random.IntN(8) == 0:
		p.then = choose(random, remove, cancel, removeJob)
	}
	if p.keyed && p.then == remove {
		p.then = cancel
	}
	if p.template == withJob && p.then != remove {
		p.then = nothing // It would stay as the only record.
	}
	return p
}

// payload returns a payload, most often a short one.
func payload(random *rand.Rand) string {
	const alphabet = `abc $(HOME) $$ "\ {{ .Name }} äß漢🙂` + "\n\t"
	runes := []rune(alphabet)
	length := random.IntN(200)
	switch random.IntN(40) {
	case 0:
		length = 60_000
	case 1, 2, 3:
		length = 8_000
	}
	var text strings.Builder
	for text.Len() < length {
		text.WriteRune(runes[random.IntN(len(runes))])
	}
	if random.IntN(2) == 0 {
		return text.String()
	}
	asJSON, err := json.Marshal(text.String())
	if err != nil {
		panic(err) // A string can always be marshaled.
	}
	return string(asJSON)
}

func choose[T any](random *rand.Rand, among ...T) T {
	return among[random.IntN(len(among))]
}
