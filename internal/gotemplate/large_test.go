package gotemplate

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestLargePayloads does what templates do with payloads of 256 KiB: the limits are for what costs more than that.
func TestLargePayloads(t *testing.T) {
	var items strings.Builder
	for i := 0; items.Len() < 250<<10; i++ {
		fmt.Fprintf(&items, `{"id":%d,"name":"item number %d","tags":["a","b"],"price":1.5},`, i, i)
	}
	payloads := map[string]string{
		"text":    strings.Repeat("The quick brown fox.\n", 12_000),
		"JSON":    `{"items":[` + items.String() + `{}]}`,
		"numbers": "[" + strings.Repeat("12,", 60_000) + "0]",
		"dollars": strings.Repeat("$", 256<<10),
	}
	for _, row := range []struct{ payload, template string }{
		{"text", `{{ .Payload | trim | upper | replace "FOX" "dog" | sha256sum }}`},
		{"text", `{{ .Payload | b64enc | b64dec | trunc 10 }}`},
		{"text", `{{ range splitList "\n" .Payload }}{{ . | trim | trunc 3 }}{{ end }}`},
		{"text", `{{ .Payload | indent 4 }}{{ .Payload | quote | len }}{{ .Payload | shellQuote }}`},
		{"text", `{{ regexReplaceAll "brown (\\w+)" .Payload "red $1" }}`},
		{"text", `{{ toYaml (dict "text" .Payload) }}`},
		{"JSON", `{{ range (fromJson .Payload).items }}{{ get . "id" }},{{ end }}`},
		{"JSON", `{{ toJson (fromJson .Payload).items }}`},
		{"JSON", `{{ (fromJson .Payload).items | toPrettyJson }}`},
		{"JSON", `{{ toYaml (fromJson .Payload) }}`},
		{"JSON", `{{ $n := dict }}{{ range $i, $item := (fromJson .Payload).items }}{{ $_ := set $n (printf "k%d" (mod $i 100)) $item }}{{ end }}{{ toJson $n }}`},
		{"JSON", `{{ $l := list }}{{ range $i, $item := (fromJson .Payload).items }}{{ if lt $i 1000 }}{{ $l = append $l $item }}{{ end }}{{ end }}{{ len $l }}`},
		{"JSON", `{{ $d := deepCopy (fromJson .Payload) }}{{ $m := merge (dict "a" 1) $d }}{{ len $m.items }}`},
		{"numbers", `{{ $sum := 0 }}{{ range fromJson .Payload }}{{ $sum = add $sum . }}{{ end }}{{ $sum }}`},
		{"numbers", `{{ fromJson .Payload | join " " }}`},
		{"numbers", `{{ fromJson .Payload }}`},
		{"dollars", `{{ .Payload }}`},
	} {
		// What is slow on a busy machine, or under the race detector, costs no more steps or memory there.
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		_, errs := renderUntil(ctx, row.template, payloads[row.payload])
		cancel()
		if len(errs) > 0 {
			t.Errorf("%s of %s: %v", row.template, row.payload, errs)
		}
	}
}
