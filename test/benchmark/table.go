package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// quantity is one column of the table.
type quantity string

const (
	accepted     quantity = "accepted/s"
	answer50     quantity = "answer p50 ms"
	answer99     quantity = "answer p99 ms"
	jobs         quantity = "Jobs/s"
	toJob50      quantity = "to Job p50 ms"
	toJob99      quantity = "to Job p99 ms"
	writes       quantity = "writes each"
	lists        quantity = "lists each"
	ownCPU       quantity = "own CPU s/1000"
	apiServerCPU quantity = "API server CPU s/1000"
	peakMemory   quantity = "peak MiB"

	// executions is not shown: it is what the others are based on.
	executions quantity = "executions"
)

var columns = []quantity{
	accepted, answer50, answer99, jobs, toJob50, toJob99, writes, lists, ownCPU, apiServerCPU, peakMemory,
}

// measurement is what one turn found. What does not apply is left out.
type measurement map[quantity]float64

// cell is a place in the table: all turns of a contender with so many callers, by round.
type cell struct {
	contender string
	callers   int
}

type table map[cell][]measurement

// measureTable lets all contenders work with all numbers of callers, in turns.
func (b *bench) measureTable(ctx context.Context) (string, error) {
	if err := b.warmUp(ctx); err != nil {
		return "", err
	}
	results := table{}
	for round := range b.rounds {
		for _, callers := range b.callers {
			contenders := b.contenders()
			// Whoever goes first in one round goes last in another.
			for i := range contenders {
				c := contenders[(i+round)%len(contenders)]
				stop := b.profile(ctx, c, callers, round)
				m, err := b.runTurn(ctx, c, callers, b.turn)
				stop()
				if err != nil {
					return "", err
				}
				results[cell{c.name, callers}] = append(results[cell{c.name, callers}], m)
				progress(
					"round %d, callers %s, %-10s: %4.0f executions, %4.0f accepted/s, %4.0f Jobs/s, p50 %.1f ms, to Job p99 %.0f ms",
					round+1,
					callersText(callers),
					c.name,
					m[executions],
					m[accepted],
					m[jobs],
					m[answer50],
					m[toJob99],
				)
			}
		}
	}
	goals := results.goals()
	if !b.inert {
		life, err := b.measureLife(ctx)
		if err != nil {
			return "", err
		}
		goals += lifeGoal(life)
	}
	return results.markdown(b.callers) + "\n" + goals + "\n" + b.machine(ctx), nil
}

// value is the median over the rounds, false if there is none.
func (t table) value(contender string, callers int, q quantity) (float64, bool) {
	var values []float64
	for _, m := range t[cell{contender, callers}] {
		if v, ok := m[q]; ok {
			values = append(values, v)
		}
	}
	return median(values)
}

// ratio is the median over the rounds of the ratios to another contender in the same round.
func (t table) ratio(contender, to string, callers int, q quantity) (float64, bool) {
	var ratios []float64
	for round, m := range t[cell{contender, callers}] {
		v, ok := m[q]
		base, okBase := t[cell{to, callers}][round][q]
		if ok && okBase && base > 0 {
			ratios = append(ratios, v/base)
		}
	}
	return median(ratios)
}

func median(values []float64) (float64, bool) {
	if len(values) == 0 {
		return 0, false
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle], true
	}
	return (sorted[middle-1] + sorted[middle]) / 2, true
}

// markdown writes a row for each contender and number of callers, with each value's ratio to the raw client's.
func (t table) markdown(callers []int) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 1, ' ', 0)
	_, _ = fmt.Fprint(w, "| callers\t|")
	for _, q := range columns {
		_, _ = fmt.Fprintf(w, " %s\t|", q)
	}
	_, _ = fmt.Fprintf(w, "\n|---\t|%s\n", strings.Repeat("---\t|", len(columns)))
	for _, count := range callers {
		for _, contender := range []string{createOnly, rawRun, dispatcher} {
			_, _ = fmt.Fprintf(w, "| %s, %s\t|", callersText(count), contender)
			for _, q := range columns {
				_, _ = fmt.Fprintf(w, " %s\t|", t.text(contender, count, q))
			}
			_, _ = fmt.Fprintln(w)
		}
	}
	_ = w.Flush()
	return out.String()
}

func callersText(callers int) string {
	if callers == unhurried {
		return fmt.Sprintf("1 (every %s)", unhurriedPace)
	}
	return strconv.Itoa(callers)
}

func (t table) text(contender string, callers int, q quantity) string {
	value, ok := t.value(contender, callers, q)
	if !ok {
		return ""
	}
	text := number(value)
	if q == lists {
		text = fmt.Sprintf("%.2f", value)
	}
	if ratio, ok := t.ratio(contender, rawRun, callers, q); ok && contender != rawRun {
		text += fmt.Sprintf(" (%.2f)", ratio)
	}
	return text
}

// number writes three digits.
func number(value float64) string {
	switch {
	case value >= 100:
		return fmt.Sprintf("%.0f", value)
	case value >= 10:
		return fmt.Sprintf("%.1f", value)
	}
	return fmt.Sprintf("%.2f", value)
}

// replaceSection writes text between the markers of a section of a file.
func replaceSection(path, section, text string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the document: %w", err)
	}
	begin, end := "<!-- "+section+": written by the benchmark -->\n", "<!-- "+section+": end -->"
	head, rest, found := strings.Cut(string(content), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("%s has no lines %q and %q", filepath.Base(path), strings.TrimSpace(begin), end)
	}
	if err := os.WriteFile(path, []byte(head+begin+"\n"+strings.TrimSpace(text)+"\n\n"+end+tail), 0o644); err != nil {
		return fmt.Errorf("writing the document: %w", err)
	}
	return nil
}
