package gotemplate

import (
	"errors"
	"reflect"
	"slices"
	"strings"
)

// leftOut is what leaveOut gives. It is no text: nothing that is printed or sent can be taken for it, so that a payload
// can never leave out anything.
type leftOut struct{}

var leftOutType = reflect.TypeFor[leftOut]()

// leaveOut leaves out the part of the document that the template stands for.
func leaveOut() leftOut { return leftOut{} }

// takeLeftOut are the functions that choose one of the values that they are given, which may be leaveOut's.
var takeLeftOut = []string{"default", "ternary", "coalesce", "required", "dig"}

var (
	errLeftOutArgument = errors.New("leaveOut gives no text: of the functions, only " +
		strings.Join(takeLeftOut, ", ") + ", and and or take it")
	errLeftOutBeside = errors.New("leaveOut must be all that the template prints: there is other text beside it")
)

// checkLeftOut refuses what leaveOut gives as an argument of a function that would make something else of it.
func checkLeftOut(function string, args []any) error {
	for _, arg := range args {
		if _, ok := arg.(leftOut); ok && !slices.Contains(takeLeftOut, function) {
			return errLeftOutArgument
		}
	}
	return nil
}
