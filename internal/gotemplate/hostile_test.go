package gotemplate

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// What the message of each limit has in it.
const (
	limitSteps   = "steps"
	limitValue   = "for one value"
	limitTotal   = "for all values together"
	limitOutput  = "of output"
	limitLevels  = "nested blocks in templates that call each other"
	limitDepth   = "templates that call each other"
	limitCycle   = "cannot be put into itself"
	limitNesting = "nested more than 100 deep, or contains itself"
)

// hostile are templates that are meant to take the process down, and what refuses them.
var hostile = []struct{ name, template, want string }{
	{"an endless range over a number", `{{ range 100000000000 }}{{ end }}`, limitSteps},
	{"nested ranges", `{{ range 100000 }}{{ range 100000 }}{{ end }}{{ end }}`, limitSteps},
	{"a range that only continues", `{{ range 100000000000 }}{{ continue }}{{ end }}`, limitSteps},
	{"a range in the else of a range", `{{ range list }}{{ else }}{{ range 100000000000 }}{{ end }}{{ end }}`, limitSteps},
	{"a range over a sorted map, broken off", `{{ $d := dict }}{{ range $i := until 5000 }}{{ $_ := set $d (toString $i) $i }}{{ end }}{{ range 100000 }}{{ range $d }}{{ break }}{{ end }}{{ end }}`, limitSteps},
	{"recursion without end", `{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}`, limitDepth},
	{"mutual recursion", `{{ define "a" }}{{ template "b" . }}{{ end }}{{ define "b" }}{{ if true }}{{ template "a" . }}{{ end }}{{ end }}{{ template "a" . }}`, limitDepth},
	{"templates that double", doubling(40), limitSteps},
	{"output that doubles", `{{ define "a" }}{{ if lt (len .) 40 }}{{ template "a" (print . "x") }}{{ template "a" (print . "x") }}{{ end }}x{{ end }}{{ template "a" "" }}`, limitSteps},
	{"much output", `{{ range 1000000 }}0123456789{{ end }}`, limitOutput},
	{"much printed output", `{{ $x := repeat 1000000 "x" }}{{ range 10 }}{{ $x }}{{ end }}`, limitOutput},
	{"dollars that double when escaped", `{{ repeat 1048577 "$" }}`, limitOutput},
	{"a variable that doubles by print", `{{ $a := "xxxxxxxx" }}{{ range 100 }}{{ $a = print $a $a }}{{ end }}`, limitValue},
	{"a variable that doubles by printf", `{{ $a := "xxxxxxxx" }}{{ range 100 }}{{ $a = printf "%s%s" $a $a }}{{ end }}`, limitValue},
	{"a variable that doubles by cat", `{{ $a := "xxxxxxxx" }}{{ range 100 }}{{ $a = cat $a $a }}{{ end }}`, limitValue},
	{"a variable that doubles by replace", `{{ $a := "x" }}{{ range 100 }}{{ $a = replace "x" "xx" $a }}{{ end }}`, limitValue},
	{"a variable that grows by its own square", `{{ $a := repeat 5000 "x" }}{{ $a = replace "x" $a $a }}{{ $a = replace "x" $a $a }}`, limitValue},
	{"a variable that doubles by regexReplaceAll", `{{ $a := "x" }}{{ range 100 }}{{ $a = regexReplaceAll "x" $a "xx" }}{{ end }}`, limitValue},
	{"groups that multiply", `{{ $a := repeat 10000 "x" }}{{ regexReplaceAll "(x+)" $a (repeat 10000 "$1") }}`, limitValue},
	{"a variable that doubles by join", `{{ $a := "xxxxxxxx" }}{{ range 100 }}{{ $a = join $a (list $a $a) }}{{ end }}`, limitValue},
	{"a list that doubles by concat", `{{ $a := list 1 2 }}{{ range 100 }}{{ $a = concat $a $a }}{{ end }}`, limitValue},
	{"a list that grows by append", `{{ $a := list }}{{ range 1000000 }}{{ $a = append $a 1 }}{{ end }}`, limitTotal},
	{"shared parts in JSON", `{{ $a := list 1 }}{{ range 60 }}{{ $a = list $a $a }}{{ end }}{{ toJson $a }}`, limitValue},
	{"shared parts in YAML", `{{ $a := dict }}{{ range 60 }}{{ $a = dict "a" $a "b" $a }}{{ end }}{{ toYaml $a }}`, limitValue},
	{"shared parts, printed", `{{ $a := list 1 }}{{ range 60 }}{{ $a = list $a $a }}{{ end }}{{ $a }}`, limitValue},
	{"shared parts, copied", `{{ $a := list 1 }}{{ range 60 }}{{ $a = list $a $a }}{{ end }}{{ $_ := deepCopy $a }}`, limitValue},
	{"a dictionary in itself", `{{ $d := dict }}{{ $_ := set $d "a" $d }}{{ $x := dict $d 1 }}`, limitCycle},
	{"a dictionary in a list in itself", `{{ $d := dict }}{{ $_ := set $d "a" (list 1 (list $d)) }}`, limitCycle},
	{"a dictionary in chunks of itself", `{{ $d := dict }}{{ $_ := set $d "a" (chunk 1 (list $d)) }}`, limitCycle},
	{"a dictionary in a dictionary that is in itself", `{{ $d := dict }}{{ $e := dict "d" $d }}{{ $_ := set $d "e" $e }}`, limitCycle},
	{"a dictionary in itself by merge", `{{ $e := dict }}{{ $d := dict "e" $e }}{{ $_ := merge $e $d }}{{ $_ := set $e "d" $d }}`, limitCycle},
	{"the data in itself", `{{ $_ := set .JobTemplate.Labels "x" . }}{{ range .JobTemplate }}{{ end }}`, limitCycle},
	{"a part of the data in itself", `{{ $_ := set .JobTemplate.Labels "x" .JobTemplate.Labels }}{{ range .JobTemplate }}{{ end }}`, limitCycle},
	{"a range over what has no items", `{{ range .JobTemplate }}{{ end }}`, "cannot range over an object"},
	{"a range over text", `{{ range .Payload }}{{ end }}`, "cannot range over text"},
	{"shared parts as a key", `{{ $a := list 1 }}{{ range 60 }}{{ $a = list $a $a }}{{ end }}{{ $_ := dict $a 1 }}`, limitValue},
	{"a key that is not text", `{{ $_ := dict (list 1) 1 }}`, "a key must be text"},
	{"shared parts as an index", `{{ $a := list 1 }}{{ range 60 }}{{ $a = list $a $a }}{{ end }}{{ $_ := slice (list 1) $a }}`, limitValue},
	{"an index that is not a number", `{{ $_ := slice (list 1) (dict) }}`, "an index must be a whole number"},
	{"shared parts in a range", `{{ $a := list 1 }}{{ range 60 }}{{ $a = list $a $a }}{{ end }}{{ range dict "a" $a }}{{ end }}`, limitValue},
	{"shared parts, compared", `{{ $a := list 1 }}{{ range 60 }}{{ $a = list $a $a }}{{ end }}{{ eq $a 1 }}`, limitValue},
	{"deep lists", `{{ $a := list 1 }}{{ range 200 }}{{ $a = list $a }}{{ end }}`, limitNesting},
	{"a map that is merged into itself while it is walked", `{{ $a := dict }}{{ $d := dict "a" $a "b" $a }}{{ range 100 }}{{ $_ := merge $d (dict "a" $d "b" $a) (dict "a" $d "b" $d) }}{{ end }}`, limitValue},
	{"a map that is merged with itself again and again", `{{ $d := dict "a" 1 }}{{ range 100 }}{{ $_ := set $d (uuidv4) (deepCopy $d) }}{{ end }}`, limitValue},
	{"much that is kept", `{{ $a := repeat 7000000 "a" }}{{ $b := repeat 7000000 "b" }}{{ $c := repeat 7000000 "c" }}{{ $d := repeat 7000000 "d" }}`, limitTotal},
	{"many dictionaries", `{{ range until 200000 }}{{ $_ := get (dict "a" 1) "a" }}{{ end }}`, limitTotal},
	{"many empty dictionaries", `{{ range until 200000 }}{{ $_ := len dict }}{{ end }}`, limitTotal},
	{"many lists in lists", `{{ range until 200000 }}{{ $_ := len (list (list (list 1))) }}{{ end }}`, limitTotal},
	{"many parts of dictionaries", `{{ $d := dict "a" 1 }}{{ range until 200000 }}{{ $_ := len (pick $d "a") }}{{ end }}`, limitTotal},
	{"many copies", `{{ $d := dict "a" 1 }}{{ range until 200000 }}{{ $_ := len (deepCopy $d) }}{{ end }}`, limitTotal},
	{"many objects", `{{ range until 200000 }}{{ $_ := len (fromJson "{}") }}{{ end }}`, limitTotal},
	{"many numbers that are kept", `{{ $a := until 250000 }}{{ $b := until 250000 }}{{ $c := until 250000 }}{{ $d := until 250000 }}`, limitTotal},
	{"much JSON that is kept", `{{ $t := print "[" (repeat 17000 "{\"a\":[]},") "0]" }}{{ $a := fromJson $t }}{{ $b := fromJson $t }}{{ $c := fromJson $t }}{{ $d := fromJson $t }}`, limitTotal},
	{"much that is kept and measured", `{{ $a := list }}{{ range 7 }}{{ $a = append $a (fromJson (print "[" (repeat 9000 "{},") "0]")) }}{{ end }}{{ toJson $a }}`, limitValue},
	{"repeat", `{{ repeat 1000000000 "x" }}`, limitValue},
	{"repeat with overflow", `{{ repeat 9223372036854775807 "xx" }}`, limitValue},
	{"until", `{{ until 2000000000 }}`, limitValue},
	{"untilStep with overflow", `{{ untilStep 0 9223372036854775807 9223372036854775806 }}`, "out of range"},
	{"seq", `{{ seq 1 2000000000 }}`, limitValue},
	{"indent", `{{ indent 100000000 "a\nb" }}`, limitValue},
	{"nindent of many lines", `{{ nindent 100000 (repeat 100000 "\n") }}`, limitValue},
	{"randAlphaNum", `{{ randAlphaNum 1000000000 }}`, limitValue},
	{"randBytes", `{{ randBytes 1000000000 }}`, limitValue},
	{"randAscii, many times", `{{ range 10000 }}{{ $_ := randAscii 1000 }}{{ end }}`, limitSteps},
	{"wide printf", `{{ range 100 }}{{ $_ := printf "%999999d" 1 }}{{ end }}`, limitTotal},
	{"wide printf of a list", `{{ printf "%999999d" (until 1000) }}`, limitValue},
	{"printf with its width as an argument", `{{ printf "%*d%*d%*d%*d%*d%*d%*d%*d%*d%*d" 999999 1 999999 1 999999 1 999999 1 999999 1 }}`, limitValue},
	{"printf of much with its width as an int64", `{{ printf "%*v" (int64 900000) (until 1000) }}`, limitValue},
	{"printf with its width from JSON", `{{ printf "%*v" (fromJson "900000") (until 1000) }}`, limitValue},
	{"printf with its precision as an argument", `{{ printf "%.*f%.*f%.*f" (int64 900000) 1.0 (int64 900000) 1.0 (int64 900000) 1.0 | repeat 3 }}`, limitOutput},
	{"printf of keys", `{{ $d := dict }}{{ range $i := until 100 }}{{ $_ := set $d (toString $i) "" }}{{ end }}{{ printf "%99999v" $d }}`, limitValue},
	{"printf of an address", `{{ printf "%p" (dict) }}`, "prints an address"},
	{"printf of an address in a list", `{{ printf "%d %[1]p" (list (dict)) }}`, "prints an address"},
	{"printf of Go", `{{ printf "%+#v" (dict) }}`, "prints the syntax of Go"},
	{"replacing in a long text", `{{ $t := repeat 7000000 "x" }}{{ range 1000000 }}{{ $_ := replace "y" "z" $t }}{{ end }}`, limitTotal},
	{"searching in a long text", `{{ $t := repeat 7000000 "x" }}{{ range 1000000 }}{{ $_ := contains "y" $t }}{{ end }}`, limitSteps},
	{"deep YAML of long text", `{{ $a := repeat 100000 "a " }}{{ range 98 }}{{ $a = list $a }}{{ end }}{{ toYaml $a }}`, limitValue},
	{"printf of one argument many times", `{{ printf (repeat 100000 "%[1]s") (repeat 100000 "x") }}`, limitValue},
	{"wrapWith a long separator", `{{ wrapWith 1 (repeat 10000 "x") (repeat 10000 "y") }}`, limitValue},
	{"splitList into characters", `{{ splitList "" (repeat 1000000 "x") }}`, limitValue},
	{"split into characters", `{{ split "" (repeat 1000000 "x") }}`, limitValue},
	{"JSON of many small objects", `{{ $_ := fromJson (print "[" (repeat 200000 "{},") "{}]") }}`, limitValue},
	{"JSON that is nested deeply", `{{ toJson (fromJson (print (repeat 9000 "[") (repeat 9000 "]"))) }}`, limitNesting},
	{"YAML that is nested deeply", `{{ $_ := fromYaml (print (repeat 5000 "[") (repeat 5000 "]")) }}`, limitNesting},
	{"YAML aliases", `{{ fromYaml "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]" }}`, "takes no aliases"},
	{"much YAML", `{{ fromYaml (repeat 1000000 "- a\n") }}`, limitValue},
	{"a huge regular expression", `{{ regexMatch (repeat 100000 "(a|b)") "x" }}`, "at most 1000 bytes"},
	{"counted repeats", `{{ regexMatch "((a{1000}){1000}){1000}" "x" | not }}{{ mustRegexMatch "((a{1000}){1000}){1000}" "x" }}`, "invalid repeat count"},
	{"many counted repeats of a long text", `{{ regexMatch (print "a{900}|b{900}|c{900}|d{900}|e{900}|f{900}|g{900}|h{900}") (repeat 10000 "a") }}`, "a regular expression may take"},
	{"many counted repeats of a short text", `{{ regexMatch "a{900}|b{900}|c{900}|d{900}|e{900}|f{900}|g{900}|h{900}|i{900}" "x" }}`, "fewer repetitions"},
	{"a regular expression that searches the rest after each match", `{{ regexReplaceAll "x*y|x" (repeat 1000000 "x") "z" }}`, "longer than"},
	{"comparing each with each", `{{ $a := list }}{{ uniq (until 100000) }}`, limitSteps},
	{"trimming by many characters", `{{ trimAll (repeat 100000 "é") (repeat 100000 "ö") }}`, limitSteps},
	{"a long date layout", `{{ $a := "2006" }}{{ range 100 }}{{ $a = now.Format (print $a $a) }}{{ end }}`, "at most 256 bytes"},
	{"a date in a place that is no time zone", `{{ dateInZone "2006" now "../../../../etc/passwd" }}`, "not a time zone"},
	{"arithmetic of many digits", `{{ range 100000 }}{{ $_ := mulf 1e308 1e-308 1e308 1e-308 1e308 1e-308 1e308 1e-308 1e308 1e-308 1e308 }}{{ end }}`, limitSteps},
	{"a chunk of no size", `{{ chunk 0 (list 1 2) }}`, "at least 1"},
	{"a long semantic version", `{{ semver (repeat 100000 "1") }}`, "at most 2048 bytes"},
	{"the environment", `{{ env "HOME" }}`, "cannot be used"},
	{"the environment, expanded", `{{ expandenv "$HOME" }}`, "cannot be used"},
	{"the network", `{{ getHostByName "localhost" }}`, "cannot be used"},
	{"a key", `{{ genPrivateKey "rsa" }}`, "cannot be used"},
	{"a slow hash", `{{ bcrypt "x" }}`, "cannot be used"},
}

// maxPeak is how many bytes one render may use at a time.
const maxPeak = 64 << 20

// TestHostileTemplates renders all of them. Each is refused by a limit that always comes at the
// same point, so the clock's limit is out of the way, and uses little memory before it is.
func TestHostileTemplates(t *testing.T) {
	if underRace {
		t.Skip("it has one goroutine: there are no races to find")
	}
	for _, row := range hostile {
		t.Run(row.name, func(t *testing.T) {
			var errs []Error
			peak := peakBytes(func() { errs = renderPatiently(t, row.template) })
			if len(errs) == 0 || !strings.Contains(messages(errs), row.want) {
				t.Errorf("refused with %q, want %q", messages(errs), row.want)
			}
			if peak > maxPeak {
				t.Errorf("%d bytes were used at a time, want at most %d", peak, maxPeak)
			}
		})
	}
}

// doubling returns n templates of which each calls the next one twice.
func doubling(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, `{{ define "t%d" }}{{ template "t%d" }}{{ template "t%d" }}{{ end }}`, i, i+1, i+1)
	}
	fmt.Fprintf(&text, `{{ define "t%d" }}{{ end }}{{ template "t0" }}`, n)
	return text.String()
}

// renderPatiently renders a template with more time than the other limits need.
func renderPatiently(t *testing.T, template string) []Error {
	set, errs := compile(template)
	if len(errs) > 0 {
		return errs
	}
	set.limits.time = time.Minute
	if strings.Contains(template, "x*y|x") {
		set.limits.time = 200 * time.Millisecond // Only the clock ends this one.
	}
	return set.Render(t.Context(), dataOf("payload"), func(int, Rendered) {})
}

// allocatedBytes returns how many bytes f allocated in all, or some KiB less.
func allocatedBytes(f func()) uint64 {
	before := metricOf("/gc/heap/allocs:bytes")
	f()
	return metricOf("/gc/heap/allocs:bytes") - before
}

// peakBytes returns how many bytes f used at a time at most, as far as the garbage collector saw it: it runs often.
func peakBytes(f func()) uint64 {
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	runtime.GC()
	before := liveBytes()
	var peak atomic.Uint64
	var ended atomic.Bool
	var afterEachGC func(*[16]byte)
	afterEachGC = func(*[16]byte) {
		peak.Store(max(peak.Load(), liveBytes()))
		if !ended.Load() {
			runtime.SetFinalizer(new([16]byte), afterEachGC)
		}
	}
	afterEachGC(nil)
	f()
	ended.Store(true)
	return peak.Load() - min(before, peak.Load())
}

// liveBytes returns how many bytes the last garbage collection has kept.
func liveBytes() uint64 { return metricOf("/gc/heap/live:bytes") }

func metricOf(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// Templates that are hostile to the parser.
func TestHostileSource(t *testing.T) {
	defer debug.SetMaxStack(debug.SetMaxStack(maxStack))
	rows := []struct{ name, template, want string }{
		{"a long template", "{{ .Payload }}" + strings.Repeat("x", maxTemplate), "at most 131072 bytes"},
		{"many actions", strings.Repeat("{{.}}", 25_000), "at most 20000 parts"},
		{"many arguments", "{{ list " + strings.Repeat(". ", 50_000) + "}}", "at most 20000 parts"},
		{"many parentheses", "{{ " + strings.Repeat("(", 9_000) + "1" + strings.Repeat(")", 9_000) + " }}", "nested at most 200 deep"},
		{"more parentheses", "{{ " + strings.Repeat("(", 60_000) + "1" + strings.Repeat(")", 60_000) + " }}", "max expression depth exceeded"},
		{"many blocks", strings.Repeat("{{if 1}}", 7_000) + strings.Repeat("{{end}}", 7_000), "nested at most 200 deep"},
		{"many else ifs", "{{if 1}}" + strings.Repeat("{{else if 1}}", 5_000) + "{{end}}", "nested at most 200 deep"},
		{"as many blocks as there can be", strings.Repeat("{{if 1}}", 16_000), "nested at most 200 deep"},
		{"as many else ifs as there can be", "{{if 1}}" + strings.Repeat("{{else if 1}}", 10_000), "nested at most 200 deep"},
		{"as many trimmed blocks as there can be", strings.Repeat("{{- with 1}}", 10_000), "nested at most 200 deep"},
		{"many else withs", "{{with 1}}" + strings.Repeat("{{ else  with 1}}", 7_000), "nested at most 200 deep"},
		{"many definitions", strings.Repeat("{{define `a`}}", 9_000), "nested at most 200 deep"},
		{"many errors", strings.Repeat("{{ nosuch }}", 1_000), "more errors are not listed"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var errs []Error
			allocated := allocatedBytes(func() { _, errs = compile(row.template) })
			if !strings.Contains(messages(errs), row.want) {
				t.Errorf("refused with %.300q, want %q", messages(errs), row.want)
			}
			if len(errs) > maxErrors+1 {
				t.Errorf("%d errors", len(errs))
			}
			if most := uint64(128 << 20); allocated > most {
				t.Errorf("%d bytes were allocated, want at most %d", allocated, most)
			}
		})
	}

	t.Run("many strings", func(t *testing.T) {
		if _, errs := Compile(slices.Repeat([]Source{{Text: "{{ . }}"}}, 30_000), testDataType); !strings.Contains(messages(errs), "at most 20000 parts") || len(errs) > maxErrors+1 {
			t.Errorf("refused with %.300q", messages(errs))
		}
	})
}

func TestClockAndCaller(t *testing.T) {
	set, errs := compile("{{ range 100000000000 }}{{ end }}")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	set.limits.steps = 1 << 60

	t.Run("the caller gives up", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("gone"))
		errs := set.Render(ctx, dataOf(""), func(int, Rendered) {})
		if len(errs) != 1 || !errs[0].Retryable || !strings.Contains(messages(errs), context.Canceled.Error()) {
			t.Errorf("got %v", errs)
		}
	})
	t.Run("the time is up", func(t *testing.T) {
		set.limits.time = time.Millisecond
		errs := set.Render(t.Context(), dataOf(""), func(int, Rendered) {})
		if len(errs) != 1 || !errs[0].Retryable || !strings.Contains(messages(errs), "took longer than 1ms") {
			t.Errorf("got %v", errs)
		}
	})
	t.Run("the caller has a deadline of its own", func(t *testing.T) {
		set.limits.time, set.limits.steps = time.Nanosecond, 1000
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		errs := set.Render(ctx, dataOf(""), func(int, Rendered) {})
		if len(errs) != 1 || errs[0].Retryable {
			t.Errorf("got %v", errs)
		}
	})
	t.Run("other errors come again", func(t *testing.T) {
		if _, errs := render(t, "{{ repeat 1000000000 `x` }}", ""); len(errs) != 1 || errs[0].Retryable {
			t.Errorf("got %v", errs)
		}
	})
}
