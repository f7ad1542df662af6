package gotemplate

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMeterFollowsChanges changes dictionaries that contain each other at random, and compares what the meter has
// kept with what a new one measures. Only the depth may be less than it knows, where something deep was replaced.
func TestMeterFollowsChanges(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		b := newBudget(t.Context(), hostileLimits)
		dicts := make([]map[string]any, 6)
		for i := range dicts {
			dicts[i] = map[string]any{}
		}
		for range 40 {
			at := random.IntN(len(dicts))
			dict, key := dicts[at], fmt.Sprint(random.IntN(20))
			if random.IntN(5) == 0 {
				checkedCall(t, &b, "unset", dict, key)
			} else {
				checkedCall(t, &b, "set", dict, key, randomValue(random, dicts[at+1:]))
			}
			measured := dicts[random.IntN(len(dicts))]
			got, err := b.measure(measured)
			if err != nil {
				t.Fatal(err)
			}
			var fresh meter
			want, err := fresh.measure(measured, 0)
			if err != nil {
				t.Fatal(err)
			}
			got.depth = want.depth
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(extent{})); diff != "" {
				t.Fatalf("round %d: extent (-measured anew +known):\n%s", round, diff)
			}
		}
	}
}

// randomValue returns a value of any kind, with some of the dictionaries in it.
func randomValue(random *rand.Rand, dicts []map[string]any) any {
	if len(dicts) == 0 || random.IntN(2) == 0 {
		return []any{nil, "text", 1, 1.5, true, []any{}, []string{"a"}}[random.IntN(7)]
	}
	dict := dicts[random.IntN(len(dicts))]
	return []any{dict, []any{dict, dict}, map[string]any{"d": dict}, [][]any{{dict}}}[random.IntN(4)]
}

// checkedCall calls a function as a template does: what bounds it, and the function itself.
func checkedCall(t *testing.T, b *budget, name string, args ...any) {
	t.Helper()
	c := &call{budget: b, args: args}
	var err error
	if c.extent, err = b.measure(args...); err != nil {
		t.Fatal(err)
	}
	if _, err := functions[name].bound(c); err != nil {
		t.Fatal(err)
	}
	dict, key := args[0].(map[string]any), args[1].(string)
	if name == "unset" {
		delete(dict, key)
		return
	}
	dict[key] = args[2]
}

// TestMeasuringOnce measures large values again and again, as loops do, within the steps of one render.
func TestMeasuringOnce(t *testing.T) {
	for reason, template := range map[string]string{
		"a list that is indexed":                `{{ $l := until 5000 }}{{ range $i := $l }}{{ $_ := index $l $i }}{{ end }}`,
		"a list of texts":                       `{{ $l := splitList "," (repeat 5000 "a,") }}{{ range $i := until 5000 }}{{ $_ := index $l $i }}{{ end }}`,
		"a dictionary that grows":               `{{ $d := dict }}{{ range $i := until 5000 }}{{ $_ := set $d (toString $i) $i }}{{ end }}`,
		"a dictionary whose values change":      `{{ $d := dict }}{{ range $i := until 10000 }}{{ $_ := set $d (toString (mod $i 2000)) $i }}{{ end }}`,
		"a dictionary that grows and shrinks":   `{{ $d := dict }}{{ range $i := until 3000 }}{{ $_ := set $d (toString $i) $i }}{{ end }}{{ range $i := until 3000 }}{{ $_ := unset $d (toString $i) }}{{ end }}`,
		"a large value beside one that changes": `{{ $l := list (until 3000) (list 1 2) }}{{ $l = append $l (fromJson (print "[" (repeat 3000 "[1],") "0]")) }}{{ $s := dict }}{{ range $i := until 5000 }}{{ $_ := set $s "n" $i }}{{ $_ := last $l }}{{ end }}`,
	} {
		if _, errs := render(t, template, ""); len(errs) > 0 {
			t.Errorf("%s: %v", reason, errs)
		}
	}
}
