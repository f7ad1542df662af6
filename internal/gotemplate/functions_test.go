package gotemplate

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Masterminds/sprig/v3"
)

// TestEveryFunctionIsDecided fails when a new sprig brings a function that nobody has looked at.
func TestEveryFunctionIsDecided(t *testing.T) {
	for name := range sprig.TxtFuncMap() {
		_, out := unavailable[name]
		if isFunction(name) == out {
			t.Errorf("the sprig function %s must be either in the table of functions or left out", name)
		}
	}
	for _, name := range []string{"and", "or", "call", "html", "index", "slice", "js", "len", "not", "print", "printf", "println", "urlquery", "eq", "ge", "gt", "le", "lt", "ne"} {
		if _, out := unavailable[name]; isFunction(name) == out {
			t.Errorf("text/template's function %s must be either in the table of functions or left out", name)
		}
	}
	for name := range sprigBounds {
		if functions[name].fn == nil {
			t.Errorf("sprig has no function %s any more", name)
		}
	}
}

// TestMethods fails when a function gives a value with methods that are not ours: text/template calls them past the
// guard.
func TestMethods(t *testing.T) {
	ours := []reflect.Type{reflect.TypeFor[instant](), reflect.TypeFor[version](), reflectValueType}
	for name, f := range functions {
		out := reflect.TypeOf(f.fn).Out(0)
		if methods := out.NumMethod() + reflect.PointerTo(out).NumMethod(); methods > 0 && !slices.Contains(ours, out) {
			t.Errorf("%s gives a %s, which has %d methods", name, out, methods)
		}
	}
}

// TestOwnFunctions tests what is not as in sprig or text/template.
func TestOwnFunctions(t *testing.T) {
	rows := []struct{ reason, template, want string }{
		{"a quote cannot end the word", `{{ shellQuote "a'b" }}`, `'a'\''b'`},
		{"nothing is a word too", `{{ shellQuote "" }}`, `''`},
		{"numbers can be quoted", `{{ shellQuote 12 }}`, `'12'`},
		{"the given value is returned", `{{ required "x" "y" }}`, "y"},
		{"false is a value", `{{ required "x" false }}`, "false"},
		{"UTF-8 survives", `{{ nospace "é\u00a0 à" }}`, "éà"},
		{"keys have an order", `{{ keys (dict "b" 1 "c" 2 "a" 3) }}`, "[a b c]"},
		{"values have the order of the keys", `{{ values (dict "b" 1 "c" 2 "a" 3) }}`, "[3 1 2]"},
		{"merge keeps what is there", `{{ merge (dict "a" 1 "d" (dict "x" 1)) (dict "a" 2 "d" (dict "y" 2)) | toJson }}`, `{"a":1,"d":{"x":1,"y":2}}`},
		{"mergeOverwrite does not", `{{ mergeOverwrite (dict "a" 1) (dict "a" 2) | toJson }}`, `{"a":2}`},
		{"merge copies", `{{ $a := dict "x" 1 }}{{ $b := merge (dict) (dict "a" $a) }}{{ $_ := set $a "x" 2 }}{{ toJson $b }}`, `{"a":{"x":1}}`},
		{"whole numbers stay whole", `{{ (fromJson "{\"n\":12345678}").n }} {{ fromJson "[1,2.5,1e3,99999999999999999999]" | toJson }}`, `12345678 [1,2.5,1000,99999999999999999999]`},
		{"no payload is nothing", `{{ (fromJson "").dryRun | default "nothing" }} {{ (fromYaml "").a | default "nothing" }} {{ (fromForm "").a | default "nothing" }}`, "nothing nothing nothing"},
		{"YAML has the types of JSON", `{{ fromYaml "{a: 1, b: yes, c: 0x10, d: 1.5, e: null, f: 2026-01-02, g: \"5\"}" | toJson }}`, `{"a":1,"b":"yes","c":16,"d":1.5,"e":null,"f":"2026-01-02","g":"5"}`},
		{"an empty document is nothing", `{{ fromYaml "" | default "nothing" }}`, "nothing"},
		{"YAML is written without its last newline", `{{ toYaml (dict "a" (list 1 "b")) }}`, "a:\n- 1\n- b"},
		{"YAML is written of what it must not contain", `{{ toYaml "a\u007fb" }} {{ fromYaml (toYaml "a\u0085b\uffffc") | toJson }}`, "\"a\\x7Fb\" \"a\u0085b\uffffc\""},
		{"a key that is not there is missing, not empty", `{{ index .JobTemplate.Labels "none" | default "none" }}`, "none"},
		{"index goes into lists and maps", `{{ index (fromJson "{\"a\":[1,{\"b\":2}]}") "a" 1 "b" }}`, "2"},
		{"index of a missing value is missing", `{{ index .JobTemplate.Labels.none "a" | default "none" }}`, "none"},
		{"numbers of all kinds compare", `{{ eq 1 1.0 }} {{ lt 1 1.5 }} {{ ge 2.5 2 }} {{ ne "a" "b" }} {{ eq 3 1 2 3 }} {{ gt "b" "a" }}`, "true true true true true true"},
		{"nothing equals nothing only", `{{ eq .JobTemplate.Labels.none "x" }} {{ ne .JobTemplate.Labels.none "x" }}`, "false true"},
		{"dates are UTC", `{{ date "15:04 MST" 0 }} {{ htmlDate 0 }} {{ (toDate "2006-01-02" "2026-05-06").Weekday }}`, "00:00 UTC 1970-01-01 Wednesday"},
		{"times have fields", `{{ $t := toDate "2006-01-02 15:04:05" "2026-05-06 07:08:09" }}{{ $t.Year }} {{ $t.Month }} {{ $t.Day }} {{ $t.Hour }} {{ $t.Minute }} {{ $t.Second }} {{ $t.Unix }} {{ $t.Format "Jan 2" }}`, "2026 May 6 7 8 9 1778051289 May 6"},
		{"times can be changed and printed", `{{ dateModify "24h" (toDate "2006-01-02" "2026-05-06") }} {{ unixEpoch (toDate "2006-01-02" "1970-01-02") }}`, "2026-05-07 00:00:00 +0000 UTC 86400"},
		{"durations", `{{ duration 90 }} {{ duration "90" }} {{ durationRound "50h" }} {{ durationRound "-3m5s" }} {{ durationRound "1s" }}`, "1m30s 1m30s 2d 3m 1s"},
		{"versions have fields", `{{ $v := semver "v1.2.3-rc.1+b" }}{{ $v.Major }} {{ $v.Minor }} {{ $v.Patch }} {{ $v.Prerelease }} {{ $v.Metadata }} {{ $v.Original }} {{ $v }}`, "1 2 3 rc.1 b v1.2.3-rc.1+b 1.2.3-rc.1+b"},
		{"versions compare", `{{ $v := semver "1.2" }}{{ $v.Compare (semver "1.10") }} {{ $v.LessThan (semver "1.10") }} {{ $v.Equal (semver "1.2.0") }}`, "-1 true true"},
		{"groups have numbers and names", `{{ regexReplaceAll "(?P<n>a)(b)" "ab" "$0 $1- ${n}x $$1 $n $, $" }}`, "ab a- ax $1 a $, $"},
		{"a replacement may be piped", `{{ "x" | regexReplaceAll "b" .Name }} {{ $n := 2.345 }}{{ 1 | round $n }}`, "run-1 2.3"},
		{"zones that are known", `{{ toDate "Mon, 02 Jan 2006 15:04:05 MST" "Fri, 01 May 2026 10:00:00 GMT" | unixEpoch }} {{ toDate "15:04 MST" "10:00 UTC" | date "15:04" }} {{ toDate "2006-01-02 15:04 -0700 MST" "2026-05-01 10:00 +0000 WET" | date "15:04" }} {{ toDate "2006-01-02 15:04 -0700 MST" "2026-05-01 10:00 +0200 CEST" | date "15:04" }}`, "1777629600 10:00 10:00 08:00"},
		{"layouts with letters", `{{ date "Monday, 2 Jan 2006 at 15h04" 0 }} {{ date "20060102T150405Z07" 0 }} {{ date "2006" 0 }}`, "Thursday, 1 Jan 1970 at 00h00 19700101T000000Z 1970"},
		{"regular expressions", `{{ regexFindAll "a." "abacad" 2 }} {{ regexSplit "," "a,b,c" -1 }} {{ regexReplaceAllLiteral "b" "abc" "$1" }} {{ regexReplaceAll "(a)(b)" "ab" "${2}$1" }} {{ regexMatch "[^y]" "x" }}`, "[ab ac] [a b c] a$1c ba true"},
	}
	for _, row := range rows {
		t.Run(row.reason, func(t *testing.T) {
			got, errs := render(t, row.template, "payload")
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			if got = strings.ReplaceAll(got, "$$", "$"); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

// TestFunctionErrors tests what is an error here and is none in sprig, or is a panic there.
func TestFunctionErrors(t *testing.T) {
	rows := []struct{ reason, template, want string }{
		{"the message is the author's", `{{ required "say which" .JobTemplate.Labels.none }}`, "required: say which"},
		{"sprig gives the text of the error", `{{ b64dec "%" }}`, `not base64: unexpected "%" at byte 1`},
		{"sprig takes UTC", `{{ dateInZone "15" 0 "Mars/Olympus" }}`, "not a time zone"},
		{"local time depends on where the Dispatcher runs", `{{ dateInZone "15" 0 "Local" }}`, "not a time zone"},
		{"must functions fail", `{{ mustFromJson "{" }}`, "mustFromJson: "},
		{"a key twice", `{{ fromYaml "a: 1\na: 2" }}`, `key "a" is already there`},
		{"groups end at the last letter, digit or _", `{{ regexReplaceAll "(a)" "abc" "$1_x" }}`, "a $ of the replacement names a group"},
		{"a group that is not there", `{{ mustRegexReplaceAll "(a)" "abc" "${2}" }}`, "a $ of the replacement names a group"},
		{"a group without a number", `{{ regexReplaceAll "(?P<n>a)" "abc" "$m" }}`, "a $ of the replacement names a group"},
		{"a price is no group", `{{ regexReplaceAll "PRICE" "PRICE" "$5" }}`, "a $ of the replacement names a group"},
		{"the text is not the last argument", `{{ "a b" | regexReplaceAll "[^a-z]" "-" }}`, "column 12: what is piped into regexReplaceAll is its NEW and not its TEXT: write regexReplaceAll PATTERN TEXT NEW"},
		{"the text is not the last argument here either", `{{ .Payload | mustRegexReplaceAllLiteral "x" "" }}`, "what is piped into mustRegexReplaceAllLiteral is its NEW"},
		{"a constant need not be rounded", `{{ 2.345 | round 1 }}`, "column 12: what is piped into round is its PLACES and not its NUMBER: write round NUMBER PLACES"},
		{"no layout of Java", `{{ date "yyyy-01-dd" 0 }}`, "date: the layout must say how it writes the time 2006-01-02"},
		{"no layout of C", `{{ date "%Y-%m-%d" 0 }}`, "the layout must say"},
		{"the time package takes PST for UTC", `{{ toDate "2006-01-02 15:04 MST" "2026-05-01 10:00 PST" | unixEpoch }}`, "toDate: of the abbreviations of time zones, only UTC and GMT are known"},
		{"it takes GMT+3 for UTC, too", `{{ toDate "15:04 MST" "10:00 GMT+3" | unixEpoch }}`, "only UTC and GMT are known"},
		{"a layout of nothing", `{{ date "" 0 }}`, "the layout must say"},
		{"no layout of JavaScript", `{{ toDate "YYYY-MM-DD" "2026-05-01" }}`, "toDate: the layout must say"},
		{"a layout after a time", `{{ now.Format "HH:mm" }}`, "the layout must say"},
		{"the layout of a zone", `{{ dateInZone "DD.MM.2006" 0 "UTC" }}`, "the layout must say"},
		{"no width", `{{ wrap 0 "a b" }}`, "wrap: the width must be at least 1"},
		{"no order between a text and a number", `{{ lt "a" 1 }}`, "compare"},
		{"maps are not compared", `{{ eq (dict) (dict) }}`, "cannot compare"},
		{"nothing has no order", `{{ lt .JobTemplate.Labels.none 1 }}`, "has no value"},
		{"nothing has no length", `{{ len .JobTemplate.Labels.none }}`, "has no value"},
		{"a key that a map of text does not have", `{{ index (split "," "a") "_5" }}`, "has no value"},
		{"lists end", `{{ index (list 1) 1 }}`, "index 1 is out of range"},
		{"list indexes are numbers", `{{ index (list 1) "a" }}`, "number"},
		{"a panic becomes an error", `{{ substr 5 9 "abc" }}`, "substr: "},
		{"another spelling", `{{ fromJSON .Payload }}`, `there is no function "fromJSON": write fromJson`},
		{"a spelling of Python", `{{ .Payload | from_json }}`, `write fromJson`},
		{"a list is not one word", `{{ list "a b" "c" | shellQuote }}`, "shellQuote: gives one word, and takes no list: quote each item in a range"},
		{"too few arguments", `{{ dig "a" }}`, "dig: takes one or more keys"},
		{"the wrong type", `{{ upper 1 }}`, "column 10: text"},
		{"the wrong number", `{{ upper "a" "b" }}`, "column 4: upper"},
	}
	for _, row := range rows {
		t.Run(row.reason, func(t *testing.T) {
			_, errs := render(t, row.template, "payload")
			if len(errs) != 1 || !strings.Contains(errs[0].Message, row.want) {
				t.Errorf("got %q, want %q", messages(errs), row.want)
			}
		})
	}
}

func TestNowIsNow(t *testing.T) {
	before := time.Now().UTC().Truncate(time.Second)
	got, errs := render(t, `{{ now.Format "2006-01-02T15:04:05Z07:00" }}`, "")
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if at, err := time.Parse(time.RFC3339, got); err != nil || at.Before(before) || at.After(time.Now()) {
		t.Errorf("now is %s: %v", got, err)
	}
}
