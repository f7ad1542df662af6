package render

import (
	"cmp"
	"maps"
	"reflect"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
)

// omission collects the items that are to be left out of a jobTemplate.
type omission struct {
	lists map[string]*omittedItems
}

// omittedItems are the items to be left out of one list.
type omittedItems struct {
	list    []hop // to the list
	indexes map[int]bool
}

// put sets the string at p in spec to what it rendered to. A value of a map and a field that are left out are removed
// at once, and list items by apply: the places of other strings in the list must stay the same until then.
func (o *omission) put(p place, spec *batchv1.JobTemplateSpec, rendered Rendered) {
	switch n := p.item(); {
	case !rendered.LeftOut:
		p.set(spec, rendered.Text)
	case n == 0:
		p.clear(spec)
	default:
		list, index := p.hops[:n-1], p.hops[n-1].index
		path := pathBelow(list)
		if o.lists == nil {
			o.lists = map[string]*omittedItems{}
		}
		if o.lists[path] == nil {
			o.lists[path] = &omittedItems{list: list, indexes: map[int]bool{}}
		}
		o.lists[path].indexes[index] = true
	}
}

// apply removes the items from spec, those of inner lists first, and returns which these are.
func (o *omission) apply(spec *batchv1.JobTemplateSpec) leftOut {
	if len(o.lists) == 0 {
		return nil
	}
	left := leftOut{}
	for path, items := range o.lists {
		if !o.includes(items.list) {
			left[path] = slices.Sorted(maps.Keys(items.indexes))
		}
	}
	innerFirst := slices.SortedFunc(maps.Values(o.lists), func(a, b *omittedItems) int {
		return cmp.Compare(len(b.list), len(a.list))
	})
	for _, items := range innerFirst {
		list := reach(spec, items.list)
		kept := reflect.Zero(list.Type())
		for i := range list.Len() {
			if !items.indexes[i] {
				kept = reflect.Append(kept, list.Index(i))
			}
		}
		list.Set(kept)
	}
	return left
}

// includes says whether hops lead through an item that is left out.
func (o *omission) includes(hops []hop) bool {
	for i, h := range hops {
		if h.kind != reflect.Slice {
			continue
		}
		if items := o.lists[pathBelow(hops[:i])]; items != nil && items.indexes[h.index] {
			return true
		}
	}
	return false
}

// item returns how many hops lead to the list item that is left out with the string at p: the string itself, or the
// innermost object in a list that contains it. It returns 0 where the string is the value of a map or a field that is
// left out alone: also a field of a container, which is left out by its name or image only.
func (p place) item() int {
	fields := 0 // behind the hop
	for i := len(p.hops) - 1; i > 0; i-- {
		switch h := p.hops[i]; h.kind {
		case reflect.Map:
			return 0
		case reflect.Slice:
			last := p.hops[len(p.hops)-1].name
			if isContainers(p.hops[i-1].name) && (fields != 1 || last != "name" && last != "image") {
				return 0
			}
			return i + 1
		case reflect.Struct:
			fields++
		}
	}
	return 0
}

func isContainers(name string) bool {
	return name == "containers" || name == "initContainers" || name == "ephemeralContainers"
}

// clear removes the value of a map, or empties the field, at p.
func (p place) clear(spec *batchv1.JobTemplateSpec) {
	last := p.hops[len(p.hops)-1]
	switch last.kind {
	case reflect.Map:
		reach(spec, p.hops[:len(p.hops)-1]).SetMapIndex(last.key, reflect.Value{})
	case reflect.Pointer:
		reach(spec, p.hops[:len(p.hops)-1]).SetZero()
	default:
		reach(spec, p.hops).SetZero()
	}
}
