package render

import (
	"reflect"
	"testing"
)

// TestDataHasNoMethods holds what templates see to fields: text/template calls methods outside of the budget.
func TestDataHasNoMethods(t *testing.T) {
	for _, typ := range []reflect.Type{reflect.TypeFor[*Data](), reflect.TypeFor[*TemplateData](), reflect.TypeFor[*values]()} {
		if typ.NumMethod() > 0 {
			t.Errorf("%s has methods, which templates could call", typ)
		}
	}
}
