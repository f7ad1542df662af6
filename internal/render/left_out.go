package render

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/gotemplate"
)

// Rendered is what a string of a template rendered to.
type Rendered = gotemplate.Rendered

// mayLeaveOut says whether a template can be left out: whether it names the function.
func mayLeaveOut(text string) bool { return strings.Contains(text, "leaveOut") }

// leftOut are the list items that are left out of a Job: for the path of each list below spec.jobTemplate, which items
// of the template's list the Job does not have, in order. nil stands for none.
type leftOut map[string][]int

// position returns where an item of a list of the template is in the Job, or false if it is left out.
func (l leftOut) position(list string, index int) (int, bool) {
	before, found := slices.BinarySearch(l[list], index)
	return index - before, !found
}

// path turns a path in the Job into the path that the field has in the template, where lists are longer.
func (l leftOut) path(path string) string {
	if len(l) == 0 {
		return path
	}
	var done strings.Builder
	for {
		before, after, found := strings.Cut(path, "[")
		done.WriteString(before)
		index, rest, closed := strings.Cut(after, "]")
		if !found || !closed {
			return done.String() + strings.TrimPrefix(path, before)
		}
		if items := l[done.String()]; len(items) > 0 {
			index = strconv.Itoa(templateIndex(items, index))
		}
		done.WriteString("[" + index + "]")
		path = rest
	}
}

// templateIndex turns an index in a list of the Job into that of the template's list, from which items are left out.
func templateIndex(items []int, index string) int {
	n, _ := strconv.Atoi(index)
	for _, left := range items {
		if left <= n {
			n++
		}
	}
	return n
}

// inTemplate turns the paths of errors, below spec.jobTemplate, into those of the template.
func (l leftOut) inTemplate(errs field.ErrorList) field.ErrorList {
	prefix := jobTemplatePath.String() + "."
	for _, err := range errs {
		if path, ok := strings.CutPrefix(err.Field, prefix); ok {
			err.Field = prefix + l.path(path)
		}
	}
	return errs
}

// maxLeftOut bounds the annotation. All annotations of an object together may have 256 KiB.
const maxLeftOut = 16 << 10

// annotate notes on the Job which items it does not have: what the API server says of its lists can then be told in the
// terms of the template, and whoever looks at the Job sees why an item is missing.
func (l leftOut) annotate(job *batchv1.Job) field.ErrorList {
	delete(job.Annotations, dispatcherv1alpha1.AnnotationLeftOut)
	var lists []string
	for _, list := range slices.Sorted(maps.Keys(l)) {
		if !strings.HasPrefix(list, "spec.") { // Of metadata, a Job has no list.
			continue
		}
		indexes := make([]string, len(l[list]))
		for i, index := range l[list] {
			indexes[i] = strconv.Itoa(index)
		}
		lists = append(lists, list+"["+strings.Join(indexes, ",")+"]")
	}
	text := strings.Join(lists, " ")
	switch {
	case text == "":
		return nil
	case len(text) > maxLeftOut:
		return field.ErrorList{field.Invalid(jobTemplatePath, field.OmitValueType{},
			fmt.Sprintf("leaves out too many list items: their paths have %d bytes, and may have %d", len(text), maxLeftOut))}
	}
	job.Annotations[dispatcherv1alpha1.AnnotationLeftOut] = text
	return nil
}

// leftOutOf returns the items that a Job of ours does not have, by its annotation.
func leftOutOf(job *batchv1.Job) leftOut {
	if job == nil || job.Annotations[dispatcherv1alpha1.AnnotationLeftOut] == "" {
		return nil
	}
	left := leftOut{}
	for list := range strings.FieldsSeq(job.Annotations[dispatcherv1alpha1.AnnotationLeftOut]) {
		at := strings.LastIndexByte(list, '[')
		if at < 0 {
			continue
		}
		for index := range strings.SplitSeq(strings.Trim(list[at:], "[]"), ",") {
			if n, err := strconv.Atoi(index); err == nil {
				left[list[:at]] = append(left[list[:at]], n)
			}
		}
	}
	return left
}

// pathBelow returns the path to which the hops lead, below spec.jobTemplate.
func pathBelow(hops []hop) string {
	return strings.TrimPrefix(pathOf(hops).String(), jobTemplatePath.String()+".")
}
