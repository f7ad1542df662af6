package gotemplate

import (
	"maps"
	"slices"

	"github.com/Masterminds/sprig/v3"
)

// dictFunctions return keys and values in the order of the keys, where sprig's have no order: the same data gives the
// same result. And they merge copies of what sprig would merge itself.
var dictFunctions = func() map[string]function {
	fromSprig := sprig.TxtFuncMap()
	all := map[string]function{
		"keys":   {dictKeys, shells},
		"values": {dictValues, shells},
	}
	for _, name := range []string{"merge", "mergeOverwrite"} {
		merge := fromSprig[name].(func(map[string]any, ...map[string]any) any)
		all[name] = function{func(into map[string]any, from ...map[string]any) any { return merge(into, copied(from)...) }, linear(4)}
	}
	for _, name := range []string{"mustMerge", "mustMergeOverwrite"} {
		merge := fromSprig[name].(func(map[string]any, ...map[string]any) (any, error))
		all[name] = function{func(into map[string]any, from ...map[string]any) (any, error) { return merge(into, copied(from)...) }, linear(4)}
	}
	return all
}()

func dictKeys(dicts ...map[string]any) []string {
	all := []string{}
	for _, dict := range dicts {
		all = append(all, slices.Sorted(maps.Keys(dict))...)
	}
	return all
}

func dictValues(dict map[string]any) []any {
	all := make([]any, 0, len(dict))
	for _, key := range slices.Sorted(maps.Keys(dict)) {
		all = append(all, dict[key])
	}
	return all
}

// copied returns copies of what is to be merged. The original may share parts with what it is merged into, which then
// change and come to contain themselves while they are walked: the stack overflows.
func copied(dicts []map[string]any) []map[string]any {
	copies := make([]map[string]any, len(dicts))
	for i, dict := range dicts {
		copies[i], _ = copiedValue(dict).(map[string]any)
	}
	return copies
}

func copiedValue(value any) any {
	switch v := value.(type) {
	case map[string]any:
		if v == nil {
			return v
		}
		copied := make(map[string]any, len(v))
		for key, inner := range v {
			copied[key] = copiedValue(inner)
		}
		return copied
	case []any:
		copied := make([]any, len(v))
		for i, inner := range v {
			copied[i] = copiedValue(inner)
		}
		return copied
	}
	return value
}
