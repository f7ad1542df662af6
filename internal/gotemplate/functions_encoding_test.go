package gotemplate

import (
	"strings"
	"testing"
)

// TestReadFormats tests what is read of texts in other formats.
func TestReadFormats(t *testing.T) {
	rows := []struct{ reason, template, payload, want string }{
		{"a byte order mark", `{{ (fromJson .Payload).a }}{{ (mustFromJson .Payload).a }}`, "\uFEFF{\"a\":1}", "11"},
		{"lines of Windows", `{{ (fromJson .Payload).a }}`, "\uFEFF{\r\n\"a\":\t\"x\"\r\n}\r\n", "x"},
		{"YAML with both", `{{ (fromYaml .Payload).a }}-{{ (fromYaml .Payload).b }}`, "\uFEFFa: 1\r\nb: x\r\n", "1-x"},
		{"half of a pair is replaced", `{{ (fromJson .Payload).a }}`, `{"a":"x\ud800y"}`, "x\uFFFDy"},
		{"a whole pair is a character", `{{ (fromJson .Payload).a }}`, `{"a":"\ud83d\ude00"}`, "😀"},
		{"names that are twice, but not in one object", `{{ (fromJson .Payload).a.a }}`, `{"b":["a","a"],"a":{"a":1},"c":{"a":"\"a"}}`, "1"},
		{"form", `{{ fromForm .Payload | toJson }}`, "a=1&b=x+y%26&a=2&c&d=&e[0]=%C3%A9&&f=a=b", `{"a":["1","2"],"b":["x y\u0026"],"c":[""],"d":[""],"e[0]":["é"],"f":["a=b"]}`},
		{"an empty form", `{{ fromForm .Payload | toJson }}`, "\r\n", `{}`},
		{"a value of a form may be JSON", `{{ (index (fromForm .Payload).payload 0 | fromJson).a }}`, `payload={"a":1}`, "1"},
		{"as urlquery writes it", `{{ urlquery .Payload | urlDecode }}`, "a b&c=é+%/?\n", "a b&c=é+%/?\n"},
		{"parts of an address", `{{ (urlParse .Payload).path }}`, "https://example.com/%C3%A9", "/é"},
	}
	for _, row := range rows {
		if got, errs := render(t, row.template, row.payload); len(errs) > 0 || got != row.want {
			t.Errorf("%s: got %q, want %q %s", row.reason, got, row.want, messages(errs))
		}
	}
}

// TestUnreadableFormats tests that an error says what is wrong and where.
func TestUnreadableFormats(t *testing.T) {
	rows := []struct{ template, payload, want string }{
		{`{{ mustFromJson .Payload }}`, `{"user": "ada", }`, `mustFromJson: not JSON: unexpected "}" at byte 17`},
		{`{{ mustFromJson .Payload }}`, "\uFEFF{\"user\": \"ada\", }", `not JSON: unexpected "}" at byte 20`},
		{`{{ mustFromJson .Payload }}`, "user=ada", `not JSON: unexpected "u" at byte 1`},
		{`{{ mustFromJson .Payload }}`, `{"a":é}`, `not JSON: unexpected "é" at byte 6`},
		{`{{ mustFromJson .Payload }}`, "{\"a\":\"x\ny\"}", `not JSON: unexpected "\n" at byte 8`},
		{`{{ mustFromJson .Payload }}`, `{"a":"x`, `not JSON: unexpected end of the text at byte 7`},
		{`{{ mustFromJson .Payload }}`, ` `, `not JSON: the text is empty`},
		{`{{ mustFromJson .Payload }}`, `{"a":1} {"b":2}`, `not JSON: unexpected "{" after the value at byte 9`},
		{`{{ mustFromJson .Payload }}`, `{"a":NaN}`, `not JSON: unexpected "N" at byte 6`},
		{`{{ mustFromJson .Payload }}`, `[01]`, `not JSON: unexpected "1" at byte 3`},
		{`{{ mustFromJson .Payload }}`, `{"a":1, "b":{}, "\u0061":2}`, `the name "a" twice in one object, at byte 17`},
		{`{{ fromJson .Payload | default 1 }}`, `[{"a":1,"a":1}]`, `the name "a" twice in one object, at byte 9`},
		{`{{ mustFromJson .Payload }}`, strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), `nested`},
		{`{{ mustFromJson (b64dec .Payload) }}`, `eyL/IjoxfQ==`, `not JSON: it is not UTF-8 at byte 3`},
		{`{{ (fromJson .Payload).a }}`, `{"a":}`, `not JSON: unexpected "}" at byte 6`},
		{`{{ (fromJson .Payload).dryRun | default false }}`, `{"dryRun": true,}`, `column 5: fromJson: not JSON: unexpected "}" at byte 17`},
		{`{{ if (fromJson .Payload).dryRun }}{{ end }}`, `{"dryRun": true,}`, `fromJson: not JSON: unexpected "}" at byte 17`},
		{`{{ with fromJson .Payload }}{{ end }}`, "plain text", `fromJson: not JSON: unexpected "p" at byte 1`},
		{`{{ fromJson .Payload | default dict }}`, "1 2", `fromJson: not JSON: unexpected "2" after the value at byte 3`},
		{`{{ fromJson .Payload | default dict }}`, "\n", `fromJson: not JSON: the text is empty`},
		{`{{ (fromJson .Payload).a }}`, "", `(fromJson .Payload).a has no value: the text given to fromJson is empty`},
		{`{{ get (fromYaml .Payload) "a" }}`, "plain text", `a dictionary is needed, and not text`},
		{`{{ (fromYaml .Payload).a | default 1 }}`, "plain text", `(fromYaml .Payload) is text and has no .a`},
		{`{{ (fromForm .Payload).a | default 1 }}`, "plain", `fromForm: not a form, which is NAME=VALUE&NAME=VALUE: it has no =`},
		{`{{ (fromForm .Payload).a | default 1 }}`, "Tom & Jerry = x", `unexpected " " at byte 4`},
		{`{{ fromForm .Payload }}`, `{"a":1}`, `fromForm: not a form, which is NAME=VALUE&NAME=VALUE: unexpected "{" at byte 1`},
		{`{{ fromForm .Payload }}`, `a=1&["b"]`, `unexpected "[" at byte 5`},
		{`{{ fromForm .Payload }}`, `a=1&b=%zz`, `the value at byte 7: the % at byte 1`},
		{`{{ fromForm .Payload }}`, `a=1&b=%ff`, `the value at byte 7: the escapes do not stand for text`},
		{`{{ b64dec .Payload }}`, "aGV-", `b64dec: not base64: unexpected "-" at byte 4: for the URL alphabet, replace`},
		{`{{ b64dec .Payload }}`, "aGVs\nbG 8=", `b64dec: not base64: unexpected " " at byte 8`},
		{`{{ b64dec .Payload }}`, "aG=sbG8=", `b64dec: not base64: unexpected "=" at byte 3`},
		{`{{ b64dec .Payload }}`, "aGVsbG8", `b64dec: not base64: the text is cut off`},
		{`{{ b32dec .Payload }}`, "nbswy===", `b32dec: not base32: unexpected "n" at byte 1`},
		{`{{ b32dec .Payload }}`, "NBSWY", `b32dec: not base32: the text is cut off`},
		{`{{ urlDecode .Payload }}`, `100%`, `urlDecode: the % at byte 4`},
		{`{{ urlDecode .Payload }}`, `%ff`, `urlDecode: the escapes do not stand for text`},
		{`{{ urlParse .Payload }}`, `http://h/%ff`, `urlParse: the escapes do not stand for text`},
	}
	for _, row := range rows {
		if got, errs := render(t, row.template, row.payload); len(errs) != 1 || !strings.Contains(errs[0].Message, row.want) {
			t.Errorf("%s of %.40q: got %q %q, want %q", row.template, row.payload, got, messages(errs), row.want)
		}
	}
}

// TestBinaryData tests that binary data can be hashed and encoded, but is an error wherever it would be printed or
// changed.
func TestBinaryData(t *testing.T) {
	const payload = "/wD+" // three bytes, which are not UTF-8
	for _, ok := range []string{
		`{{ b64dec .Payload | sha256sum | len }}`, `{{ b64dec .Payload | b64enc }}`, `{{ b64dec .Payload | b32enc }}`,
		`{{ b64dec .Payload | len }}`, `{{ $x := b64dec .Payload }}{{ .Name }}`, `{{ b64dec .Payload | printf "%x" }}`,
		`{{ b32dec (b32enc (b64dec .Payload)) | b64enc }}`, `{{ b64dec .Payload | encryptAES "key" | decryptAES "key" | b64enc }}`,
	} {
		if _, errs := render(t, ok, payload); len(errs) > 0 {
			t.Errorf("%s: %s", ok, messages(errs))
		}
	}
	for template, maker := range map[string]string{
		`{{ b64dec .Payload }}`:                                   "b64dec",
		`{{ b32dec (b32enc (b64dec .Payload)) }}`:                 "b64dec",
		`{{ b64dec .Payload | upper }}`:                           "b64dec",
		`{{ b64dec .Payload | toJson }}`:                          "b64dec",
		`{{ b64dec .Payload | list | toPrettyJson }}`:             "b64dec",
		`{{ dict "a" (b64dec .Payload) | toYaml }}`:               "b64dec",
		`{{ list (b64dec .Payload) }}`:                            "b64dec",
		`{{ b64dec .Payload | nospace }}`:                         "b64dec",
		`{{ b32dec "74AP4===" }}`:                                 "b32dec",
		`{{ decryptAES "key" (encryptAES "key" "\xff\x00aaa") }}`: "decryptAES",
		`{{ printf "%s" (b64dec .Payload) }}`:                     "b64dec",
	} {
		got, errs := render(t, template, payload)
		if len(errs) != 1 || !strings.Contains(errs[0].Message, "the result of "+maker+" is binary data") ||
			!strings.HasPrefix(errs[0].Message, "column ") {
			t.Errorf("%s: got %q %q", template, got, messages(errs))
		}
	}
}
