package gotemplate

import (
	"strings"
	"testing"
)

// TestNumbersKeepTheirDigits reads numbers from JSON, and prints them in every way.
func TestNumbersKeepTheirDigits(t *testing.T) {
	for number, want := range map[string]string{
		"0": "0", "-0": "0", "-0.0": "0", "1": "1", "1.0": "1", "1e6": "1000000", "1E+6": "1000000", "1000000": "1000000",
		"1.10": "1.1", "1000000.5": "1000000.5", "1e20": "100000000000000000000", "1e21": "1e+21", "1e-6": "0.000001",
		"1e-7": "1e-7", "123456789.123": "123456789.123", "9223372036854775807": "9223372036854775807",
		"-9223372036854775808": "-9223372036854775808", "9223372036854775808": "9223372036854775808",
		"18446744073709551615": "18446744073709551615", "-18446744073709551616": "-18446744073709551616",
		"12345678901234567890": "12345678901234567890", "1152921506151679042": "1152921506151679042",
		"1152921506151679042.0": "1152921506151679042", "1.152921506151679042e18": "1152921506151679042",
		"1.8446744073709551615e19": "18446744073709551615", "123456789012345678901234567890": "123456789012345678901234567890",
		"100000000000000000000000000000000": "100000000000000000000000000000000",
	} {
		t.Run(number, func(t *testing.T) {
			for template, want := range map[string]string{
				`{{ fromJson .Payload }}`:                                                     want,
				`{{ list (fromJson .Payload) | first | default 0 }}`:                          want,
				`{{ list (fromJson .Payload) }}`:                                              "[" + want + "]",
				`{{ dict "a" (list (fromJson .Payload)) }}`:                                   "map[a:[" + want + "]]",
				`{{ float64 (fromJson .Payload) }}`:                                           want,
				`{{ float64 .Payload }}`:                                                      want,
				`{{ print (fromJson .Payload) }}`:                                             want,
				`{{ print "a" (fromJson .Payload) }}`:                                         "a" + want,
				`{{ println (fromJson .Payload) }}`:                                           want + "\n",
				`{{ printf "%v" (fromJson .Payload) }}`:                                       want,
				`{{ printf "%s" (fromJson .Payload) }}`:                                       want,
				`{{ printf "%q" (fromJson .Payload) }}`:                                       `"` + want + `"`,
				`{{ printf "%v" (list (fromJson .Payload)) }}`:                                "[" + want + "]",
				`{{ quote (fromJson .Payload) }}`:                                             `"` + want + `"`,
				`{{ squote (fromJson .Payload) }}`:                                            "'" + want + "'",
				`{{ shellQuote (fromJson .Payload) }}`:                                        "'" + want + "'",
				`{{ cat (fromJson .Payload) "a" }}`:                                           want + " a",
				`{{ join "," (list (fromJson .Payload) 1) }}`:                                 want + ",1",
				`{{ toString (fromJson .Payload) }}`:                                          want,
				`{{ toStrings (list (fromJson .Payload)) }}`:                                  "[" + want + "]",
				`{{ html (fromJson .Payload) }}`:                                              want,
				`{{ toJson (fromJson .Payload) }}`:                                            want,
				`{{ toPrettyJson (fromJson .Payload) }}`:                                      want,
				`{{ toJson (fromJson (toJson (fromJson .Payload))) }}`:                        want,
				`{{ toYaml (dict "a" (list (fromJson .Payload))) }}`:                          "a:\n- " + want,
				`{{ fromYaml .Payload }}`:                                                     want,
				`{{ range list (fromJson .Payload) }}{{ . }}{{ end }}`:                        want,
				`{{ range $k, $v := dict "a" (fromJson .Payload) }}{{ $k }}{{ $v }}{{ end }}`: "a" + want,
				`{{ set (dict) (toString (fromJson .Payload)) 1 }}`:                           "map[" + want + ":1]",
				`{{ coalesce nil (list (fromJson .Payload)) }}`:                               "[" + want + "]",
				`{{ deepCopy (list (fromJson .Payload)) }}`:                                   "[" + want + "]",
			} {
				got, errs := render(t, template, number)
				if len(errs) > 0 || got != want {
					t.Errorf("%s: got %q and the errors %v, want %q", template, got, errs, want)
				}
			}
		})
	}
}

// TestWholeNumbersArePrinted prints whole numbers of all types by each verb for them.
func TestWholeNumbersArePrinted(t *testing.T) {
	for number, texts := range map[string][]string{
		"12":                   {"12", "12", "12.00", "c", "14", "00012"},
		"12.0":                 {"12", "12", "12.00", "c", "14", "00012"},
		"1152921506151679042":  {"1152921506151679042", "1152921506151679042", "1152921506151679042.00", "100000005c144442"},
		"18446744073709551615": {"18446744073709551615", "18446744073709551615", "18446744073709551615.00", "ffffffffffffffff"},
		"1e20":                 {"100000000000000000000", "100000000000000000000", "100000000000000000000.00", "56bc75e2d63100000"},
		"-3":                   {"-3", "-3", "-3.00", "-3", "-3", "-0003"},
	} {
		for i, want := range texts {
			verb := []string{"%d", "%.0f", "%5.2f", "%x", "%o", "%05d"}[i]
			got, errs := render(t, `{{ printf "`+verb+`" (fromJson .Payload) }}`, number)
			if len(errs) > 0 || strings.TrimSpace(got) != want {
				t.Errorf("%s of %s: got %q and the errors %v, want %q", verb, number, got, errs, want)
			}
		}
	}
}

func TestPrintf(t *testing.T) {
	for template, want := range map[string]string{
		`{{ printf "%v|%8v|%-8v|%08.3f|%+d" 1e6 1e6 1.5 1.5 3 }}`:                     "1000000| 1000000|1.5     |0001.500|+3",
		`{{ printf "%t|%c|%U|%5s|%.1s|%q|%x|%s" true 65 65 "a" "bc" "d" "hi" true }}`: `true|A|U+0041|    a|b|"d"|6869|true`,
		`{{ printf "%[2]d %[1]s" "a" 5 }}`:                                            "5 a",
		`{{ printf "%*d|%-*d|%.*f" 4 1 4 2 2 1.5 }}`:                                  "   1|2   |1.50",
		`{{ printf "%d%% %d" (list 1 2.0) 3 }}`:                                       "[1 2]% 3",
		`{{ printf "%v %s" (dict "b" 1e6 "a" "x") (list 1 "a") }}`:                    "map[a:x b:1000000] [1 a]",
		`{{ printf "%v" .JobTemplate }}`:                                              "{example map[team:blue] map[note:hello]}",
		`{{ printf "%s %v" (toDate "2006" "2024") (semver "1.2") }}`:                  "2024-01-01 00:00:00 +0000 UTC 1.2.0",
		`{{ printf "%s" "%!d(string=a)" }}`:                                           "%!d(string=a)",
		`{{ printf "%+v %+d" (list 1 1.5) 1 }}`:                                       "[1 1.5] +1",
		`{{ printf "%%!" }}`:                                                          "%!",
		`{{ printf "" }}`:                                                             "",
	} {
		if got, errs := render(t, template, ""); len(errs) > 0 || got != want {
			t.Errorf("%s: got %q and the errors %v, want %q", template, got, errs, want)
		}
	}
}

func TestNumberErrors(t *testing.T) {
	for template, want := range map[string]string{
		// A verb and what it cannot print are named.
		`{{ printf "%d" "a" }}`:          "printf: %d cannot print text",
		`{{ printf "%d" 1.5 }}`:          "printf: %d cannot print a fraction",
		`{{ printf "%.0f" "1" }}`:        "printf: %f cannot print text",
		`{{ printf "%t" 1 }}`:            "printf: %t cannot print a number",
		`{{ printf "%c" -1 }}`:           "printf: %c cannot print a number that is no character",
		`{{ printf "%d" now }}`:          "printf: %d cannot print a time",
		`{{ printf "%x" true }}`:         "printf: %x cannot print a truth value",
		`{{ printf "%d" (list 1 "a") }}`: "printf: %d cannot print text",
		`{{ printf "%d" (dict "a" 1) }}`: "printf: %d cannot print text",
		`{{ printf "%d" }}`:              "printf: there is no argument for %d",
		`{{ printf "%d" nil }}`:          "printf: argument 2 has no value",
		`{{ printf "a" 1 }}`:             "printf: the format has no verb for argument 2",
		`{{ printf "%y" 1 }}`:            "printf: there is no verb %y",
		`{{ printf "%!" 1 }}`:            "printf: there is no verb %!",
		`{{ printf "100%" }}`:            "printf: the format ends with %",
		`{{ printf "%[3]d" 1 }}`:         "printf: a [number] chooses none of the 1 arguments",
		`{{ printf "%*d" "a" 1 }}`:       "printf: the argument for * must be a whole number, and not text",
		`{{ printf "%.*d" -1 1 }}`:       "printf: a precision cannot be negative",
		`{{ printf "%99999999d" 1 }}`:    "width",
		`{{ 1i }}`:                       "a complex number cannot be printed",
		`{{ printf .Payload }}`:          "printf: there is no argument for %d",
		// Numbers.
		`{{ fromJson "[{\"a\":1e400}]" }}`:         "fromJson: [0].a: the number is too large",
		`{{ mustFromJson "1e-400" }}`:              "mustFromJson: the number is too close to zero",
		`{{ fromYaml "a: 1\nb: 1e400" }}`:          "fromYaml: line 2: the number is too large",
		`{{ fromYaml "a: .inf" }}`:                 "fromYaml: line 1: not a number",
		`{{ fromYaml "a: .NaN" }}`:                 "fromYaml: line 1: not a number",
		`{{ fromJson (repeat 1001 "1") }}`:         "fromJson: the number has more than 1000 digits",
		`{{ fromYaml "a: 1\n---\nb: 2" }}`:         "fromYaml: the text has more than one YAML document",
		`{{ add 1 .big }}`:                         "cannot be calculated with",
		`{{ mul .big 1.0 }}`:                       "cannot be calculated with",
		`{{ addf .big }}`:                          "cannot be calculated with",
		`{{ repeat .big "x" }}`:                    "cannot be calculated with",
		`{{ upper .big }}`:                         "a number with too many digits",
		`{{ eq .big "a" }}`:                        "cannot compare",
		`{{ mulf 9223372036854775807 3 }}`:         "more digits than a fraction can have",
		`{{ mulf 1e-200 1e-200 }}`:                 "mulf: the number is too close to zero",
		`{{ add 1.5 1 }}`:                          "write addf, or int",
		`{{ max 1.5 1 }}`:                          "write maxf, or int",
		`{{ add 9223372036854775807 1 }}`:          "the result is beyond",
		`{{ sub -9223372036854775808 1 }}`:         "the result is beyond",
		`{{ mul -9223372036854775808 -1 }}`:        "the result is beyond",
		`{{ mul 4294967296 4294967296 }}`:          "the result is beyond",
		`{{ div -9223372036854775808 -1 }}`:        "the result is beyond",
		`{{ add1 9223372036854775807 }}`:           "the result is beyond",
		`{{ div 1 0 }}`:                            "div: division by zero",
		`{{ mod 1 0 }}`:                            "mod: division by zero",
		`{{ divf 1 0 }}`:                           "divf: division by zero",
		`{{ mulf 1e308 10 }}`:                      "mulf: the number is too large",
		`{{ int 1e30 }}`:                           "int: the number is too large",
		`{{ 12345678901234567890 }}`:               "too large for a number: write it as text",
		`{{ seq }}`:                                "seq: takes one to three numbers",
		`{{ seq 1 0 3 }}`:                          "a step of 0",
		`{{ until 1.5 }}`:                          "until: takes a whole number, and not a fraction",
		`{{ until (fromJson "{}").n }}`:            "until: argument 1 has no value",
		`{{ date "2006" 1714606200000 }}`:          "divide milliseconds by 1000",
		`{{ duration 1e12 }}`:                      "more than 292 years",
		`{{ dateModify "2000000h" "9999-01-01" }}`: "not in the years 0 to 9999",
		`{{ ago "0001-01-01" }}`:                   "more than 292 years",
		`{{ date "2006" "2024-02-30" }}`:           "date: a text that is not a time, such as",
	} {
		template = strings.ReplaceAll(template, ".big", `(fromJson "18446744073709551615")`)
		if _, errs := render(t, template, "%d"); len(errs) != 1 || !strings.Contains(errs[0].Message, want) {
			t.Errorf("%s: got %q, want %q", template, messages(errs), want)
		}
	}
}

func TestDecimals(t *testing.T) {
	for template, want := range map[string]string{
		`{{ addf 0.1 0.2 }}`: "0.3",
		`{{ maxf 1152921506151679043 1.5 }} {{ minf 2 (fromJson "-18446744073709551615") }}`: "1152921506151679043 -18446744073709551615",
		`{{ addf }}`:                           "0",
		`{{ addf 9007199254740992 1 }}`:        "9007199254740993",
		`{{ add1f 1152921506151679042 }}`:      "1152921506151679043",
		`{{ subf 0.3 0.1 0.1 }}`:               "0.1",
		`{{ mulf 1.1 1.1 }}`:                   "1.21",
		`{{ mulf 1e10 1e10 }}`:                 "100000000000000000000",
		`{{ mulf 3000000000 3000000000 }}`:     "9000000000000000000",
		`{{ divf 1 3 }} {{ divf 2 3 }}`:        "0.3333333333333333 0.6666666666666667",
		`{{ divf 1e-10 1e10 }} {{ divf 7 2 }}`: "1e-20 3.5",
		`{{ divf 1 30000 }}`:                   "0.00003333333333333333",
		`{{ divf 0 5 }} {{ divf 1e300 7 }}`:    "0 1.4285714285714286e+299",
	} {
		if got, errs := render(t, template, ""); len(errs) > 0 || got != want {
			t.Errorf("%s: got %q and the errors %v, want %q", template, got, errs, want)
		}
	}
}
