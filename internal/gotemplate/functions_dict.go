package gotemplate

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/Masterminds/sprig/v3"
)

// dictFunctions return keys and values in the order of the keys, where sprig's have no order: the same data gives the
// same result. They merge copies of what sprig would merge itself. And no dictionary can be put into itself: what
// prints it would not end.
var dictFunctions = func() map[string]function {
	fromSprig := sprig.TxtFuncMap()
	all := map[string]function{
		"dict":         {newDict, boundDict},
		"set":          {fromSprig["set"], boundSet},
		"unset":        {fromSprig["unset"], boundUnset},
		"keys":         {dictKeys, notMissing(boundKeys)},
		"values":       {dictValues, notMissing(boundKeys)},
		"pick":         {fromSprig["pick"], notMissing(boundDict)},
		"omit":         {fromSprig["omit"], notMissing(boundDict)},
		"get":          {get, boundConstant(16)},
		"hasKey":       {fromSprig["hasKey"], boundConstant(8)},
		"pluck":        {pluck, boundShallow(32)},
		"dig":          {dig, boundConstant(16)},
		"split":        {split, boundSplit(128)},
		"splitn":       {splitN, boundSplitN},
		"urlJoin":      {urlJoin, notMissing(boundText(8))},
		"deepCopy":     {deepCopied, boundMemory(2)},
		"mustDeepCopy": {deepCopied, boundMemory(2)},
	}
	for name, must := range map[string]string{"merge": "mustMerge", "mergeOverwrite": "mustMergeOverwrite"} {
		merge := fromSprig[must].(func(map[string]any, ...map[string]any) (any, error))
		fn := func(into map[string]any, from ...map[string]any) (any, error) {
			return merge(into, copiedDicts(from)...)
		}
		all[name] = function{fn, notMissing(boundMerge)}
		all[must] = all[name]
	}
	return all
}()

// newDict makes a dictionary of keys and values in turn. A last key without a value gets an empty text.
func newDict(pairs ...any) (map[string]any, error) {
	dict := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		key, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("a key must be text, and argument %d is %s: write toString", i+1, typeName(pairs[i]))
		}
		dict[key] = ""
		if i+1 < len(pairs) {
			dict[key] = pairs[i+1]
		}
	}
	return dict, nil
}

var errInItself = errors.New(
	"a dictionary cannot be put into itself or into a part of itself: put a deepCopy of it there",
)

// boundSet is for `set DICT KEY VALUE`.
func boundSet(c *call) (int, error) {
	dict, _ := c.args[0].(map[string]any)
	if dict == nil {
		return 0, errMissing
	}
	if c.meter.reaches(c.args[2], containerOf(reflect.ValueOf(dict))) {
		return 0, errInItself
	}
	if err := c.meter.willSet(dict, c.text(1), c.args[2], true); err != nil {
		return 0, err
	}
	return 128, c.visited()
}

// boundUnset is for `unset DICT KEY`.
func boundUnset(c *call) (int, error) {
	dict, _ := c.args[0].(map[string]any)
	if dict == nil {
		return 0, errMissing
	}
	return 16, c.meter.willSet(dict, c.text(1), nil, false)
}

// boundMerge is for functions that merge dictionaries, which changes the first one and what is in it.
func boundMerge(c *call) (int, error) {
	c.meter.forget()
	return boundMemory(2)(c)
}

// boundDict is for functions that make a dictionary of values that they do not copy. A small one takes as much as one
// with eight entries.
func boundDict(c *call) (int, error) {
	size, err := boundShallow(64)(c)
	return size + dictMemory, err
}

// notMissing is for functions whose arguments must all be there.
func notMissing(bound func(*call) (int, error)) func(*call) (int, error) {
	return func(c *call) (int, error) {
		if slices.ContainsFunc(c.args, isMissing) {
			return 0, errMissing
		}
		return bound(c)
	}
}

// boundKeys is for functions that sort keys.
func boundKeys(c *call) (int, error) {
	n := len(c.args)
	for _, arg := range c.args {
		if dict, ok := arg.(map[string]any); ok {
			n += len(dict)
		}
	}
	return times(n, 16) + 64, c.step(n / 4)
}

// get returns the value of a key, or empty text where it, or the dictionary, is missing.
func get(dict map[string]any, key string) any {
	if value := dict[key]; value != nil {
		return value
	}
	return ""
}

// pluck returns the values that dictionaries have for a key.
func pluck(key string, dicts ...map[string]any) []any {
	all := []any{}
	for _, dict := range dicts {
		if value := dict[key]; value != nil {
			all = append(all, value)
		}
	}
	return all
}

// dig is `dig KEY... DEFAULT DICT`: the value that is reached by the keys, or the default where one on the way is
// missing.
func dig(args ...any) (any, error) {
	if len(args) < 3 {
		return nil, errors.New("takes one or more keys, a default and a dictionary")
	}
	last := len(args) - 1
	otherwise, value := args[last-1], args[last]
	for i, arg := range args[:last-1] {
		key, ok := arg.(string)
		if !ok {
			return nil, fmt.Errorf("a key must be text, and argument %d is %s", i+1, typeName(arg))
		}
		if isMissing(value) {
			return otherwise, nil
		}
		dict, ok := value.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("takes a dictionary with the key %q, and not %s", key, typeName(value))
		}
		value = dict[key]
	}
	if isMissing(value) {
		return otherwise, nil
	}
	return value, nil
}

// split returns the parts of a text as a dictionary with the keys _0, _1, ... sprig's is one that no function takes.
func split(separator, text string) map[string]any { return splitN(separator, -1, text) }

func splitN(separator string, count int, text string) map[string]any {
	parts := map[string]any{}
	for i, part := range strings.SplitN(text, separator, count) {
		parts["_"+strconv.Itoa(i)] = part
	}
	return parts
}

// urlJoin makes a URL of its parts. Those that are null are left out.
func urlJoin(parts map[string]any) string {
	given := maps.Clone(parts)
	maps.DeleteFunc(given, func(_ string, part any) bool { return part == nil })
	return sprigFunctions["urlJoin"].(func(map[string]any) string)(given)
}

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

// copiedDicts returns copies of what is to be merged. The originals may share parts with what they are merged into,
// which would then change while they are walked.
func copiedDicts(dicts []map[string]any) []map[string]any {
	copies := make([]map[string]any, len(dicts))
	for i, dict := range dicts {
		copies[i], _ = deepCopied(dict).(map[string]any)
	}
	return copies
}

// deepCopied copies a value with all the dictionaries and lists in it.
func deepCopied(value any) any {
	switch v := value.(type) {
	case map[string]any:
		if v == nil {
			return v
		}
		copied := make(map[string]any, len(v))
		for key, inner := range v {
			copied[key] = deepCopied(inner)
		}
		return copied
	case []any:
		copied := make([]any, len(v))
		for i, inner := range v {
			copied[i] = deepCopied(inner)
		}
		return copied
	case [][]any:
		copied := make([][]any, len(v))
		for i, inner := range v {
			copied[i], _ = deepCopied(inner).([]any)
		}
		return copied
	}
	return value
}
