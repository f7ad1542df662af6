package main

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
	"runtime"
	"slices"
	"strings"
)

// goal says whether a value is what it should be.
func goal(what string, value float64, comparison string, limit float64) string {
	met := comparison == "at least" && value >= limit || comparison == "at most" && value <= limit
	verdict := "met"
	if !met {
		verdict = "missed"
	}
	return fmt.Sprintf("- %s: %.2f, %s %.1f: **%s**\n", what, value, comparison, limit, verdict)
}

// goals says of each goal whether the run met it. A run with other numbers of callers says nothing of some.
func (t table) goals() string {
	const callers = 32
	var text strings.Builder
	if value, ok := t.ratio(dispatcher, rawRun, callers, jobs); ok {
		text.WriteString(goal("Jobs per second, ratio to the raw client, 32 callers", value, "at least", 1))
	}
	if value, ok := t.ratio(dispatcher, rawRun, callers, toJob99); ok {
		text.WriteString(goal("p99 from PUT to Job, ratio to the raw client, 32 callers", value, "at most", 2))
	}
	for _, one := range []int{unhurried, 1} {
		if value, ok := t.ratio(dispatcher, createOnly, one, answer50); ok {
			text.WriteString(
				goal("median answer to a PUT, ratio to a raw create, callers: "+callersText(one), value, "at most", 2.5),
			)
		}
	}
	if value, ok := t.value(dispatcher, callers, lists); ok {
		text.WriteString(goal("lists for an execution", value, "at most", 0))
	}
	return text.String()
}

// lifeGoal says what an execution costs from the PUT to its end.
func lifeGoal(life requests) string {
	text := goal("writes in the life of an execution", life.writes()/lifeExecutions, "at most", 5)
	var each []string
	for _, what := range slices.Sorted(maps.Keys(life.ours)) {
		each = append(each, fmt.Sprintf("%s %s", number(life.ours[what]/lifeExecutions), what))
	}
	return text + "\nThe writes in the life of an execution, on average:\n" + strings.Join(each, ", ") + ".\n"
}

// machine says where the numbers come from.
func (b *bench) machine(ctx context.Context) string {
	version, err := exec.CommandContext(ctx, "git", "-C", b.plane.Root, "describe", "--always", "--dirty").Output()
	if err != nil {
		version = []byte("unknown")
	}
	return fmt.Sprintf("Measured on %d cores with %s, at commit %s: %d rounds, turns of %s.\n",
		runtime.NumCPU(), runtime.Version(), strings.TrimSpace(string(version)), b.rounds, b.turn)
}
