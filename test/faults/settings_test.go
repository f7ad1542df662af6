package faults

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// settings are what the environment asks for.
type settings struct {
	// seed decides what is sent and what breaks: FAULTS_SEED, at random by default.
	seed uint64
	// executions is how many PUTs have to be accepted at least: FAULTS_EXECUTIONS.
	executions int
	// rate is how many PUTs are sent in a second: FAULTS_RATE.
	rate float64
	// duration is how long things break at least: FAULTS_DURATION.
	duration time.Duration
}

// asked reads the settings, and skips the test where there are none.
func asked(t *testing.T) settings {
	t.Helper()
	s := settings{seed: rand.Uint64N(1_000_000), rate: 10}
	s.executions = setting(t, "FAULTS_EXECUTIONS", 0, strconv.Atoi)
	if s.executions == 0 {
		t.Skip("FAULTS_EXECUTIONS is not set: `make test-faults` runs this")
	}
	s.seed = setting(t, "FAULTS_SEED", s.seed, func(text string) (uint64,
		error) {
		return strconv.ParseUint(text, 10, 64)
	})
	s.rate = setting(t, "FAULTS_RATE", s.rate, func(text string) (float64,
		error) {
		return strconv.ParseFloat(text, 64)
	})
	s.duration = setting(t, "FAULTS_DURATION", s.duration, time.ParseDuration)
	t.Logf("again: make test-faults FAULTS_SEED=%d FAULTS_EXECUTIONS=%d FAULTS_RATE=%v FAULTS_DURATION=%v", s.seed,
		s.executions, s.rate, s.duration)
	return s
}

func setting[T any](t *testing.T, name string, fallback T, parse func(string) (T, error)) T {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return fallback
	}
	value, err := parse(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return value
}

// random returns the numbers of one use, which are always the same for a seed, whatever else happens meanwhile.
func (s settings) random(use, n uint64) *rand.Rand {
	return rand.New(rand.NewPCG(s.seed, use<<32|n))
}

// between returns a duration from low to high.
func between(random *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(random.Int64N(int64(high-low))).Round(time.Millisecond)
}
