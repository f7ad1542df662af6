package gotemplate

import (
	"errors"
	"fmt"
	"reflect"
)

// listFunctions are sprig's, except that append and prepend make no more than the list that they return, and that
// slice takes numbers as indexes, and nothing that it would have to print to make a number of it.
var listFunctions = map[string]function{
	"append":      {appended, boundShallow(32)},
	"mustAppend":  {appended, boundShallow(32)},
	"push":        {appended, boundShallow(32)},
	"mustPush":    {appended, boundShallow(32)},
	"prepend":     {prepended, boundShallow(32)},
	"mustPrepend": {prepended, boundShallow(32)},
	"slice":       {sliced, boundConstant(64)},
	"mustSlice":   {sliced, boundConstant(64)},
}

// appended returns a new list of the items of list, and value.
func appended(list, value any) ([]any, error) {
	items, err := listOf(list)
	if err != nil {
		return nil, err
	}
	all := make([]any, 0, items.Len()+1)
	for i := range items.Len() {
		all = append(all, items.Index(i).Interface())
	}
	return append(all, value), nil
}

// prepended returns a new list of value, and the items of list.
func prepended(list, value any) ([]any, error) {
	items, err := listOf(list)
	if err != nil {
		return nil, err
	}
	all := make([]any, 0, items.Len()+1)
	all = append(all, value)
	for i := range items.Len() {
		all = append(all, items.Index(i).Interface())
	}
	return all, nil
}

// sliced returns the items of list from the first index to before the second one. An empty list gives nothing, as in
// sprig.
func sliced(list any, indexes ...any) (any, error) {
	items, err := listOf(list)
	if err != nil {
		return nil, err
	}
	if len(indexes) > 2 {
		return nil, errors.New("takes at most two indexes")
	}
	bounds := []int{0, items.Len()}
	for i, index := range indexes {
		if bounds[i], err = indexOf(index); err != nil {
			return nil, err
		}
	}
	if items.Len() == 0 {
		return nil, nil
	}
	if bounds[0] < 0 || bounds[0] > bounds[1] || bounds[1] > items.Len() {
		return nil, fmt.Errorf("there are no items %d to %d: there are %d items", bounds[0], bounds[1], items.Len())
	}
	return items.Slice(bounds[0], bounds[1]).Interface(), nil
}

// indexOf returns an index of a list.
func indexOf(value any) (int, error) {
	i, err := wholeArgument(value)
	if err != nil {
		return 0, fmt.Errorf("an index must be a whole number, and not %s", typeName(value))
	}
	return i, nil
}

func listOf(list any) (reflect.Value, error) {
	items := reflect.ValueOf(list)
	if list == nil {
		return items, errMissing
	}
	if items.Kind() != reflect.Slice {
		return items, fmt.Errorf("takes a list, and not %s", typeName(list))
	}
	return items, nil
}

// listOrValue is for functions that take a value in place of a list with only this value. A dictionary is none.
func listOrValue(bound func(*call) (int, error)) func(*call) (int, error) {
	return func(c *call) (int, error) {
		if last := c.args[len(c.args)-1]; reflect.ValueOf(last).Kind() == reflect.Map && !isMissing(last) {
			return 0, mismatch("a list", last)
		}
		return bound(c)
	}
}
