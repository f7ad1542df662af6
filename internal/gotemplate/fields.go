package gotemplate

import (
	"fmt"
	"reflect"
	"strings"
	"text/template/parse"
)

// For text/template, a field of null is an error, and a field of what is missing is missing. For authors of templates
// these are the same: `.a.b | default "x"` is x for {}, for {"a": null} and for {"a": {"b": null}}. So Compile puts a
// call of fieldOf where a template takes fields of a value whose type is not known.

// Marks in the texts of the nodes of such a call, which only messages print: at its start, and around the expression
// that it stands for, at its end.
const callStart, expressionStart, expressionEnd = "\x01", "\x02", "\x03"

// fieldOf returns the field of value that is reached by names, one after the other. It is missing where one on the way
// is. expression is how the template writes the value.
func fieldOf(expression string, value reflect.Value, names ...string) (reflect.Value, error) {
	for i, name := range names {
		value = indirect(value)
		if !value.IsValid() {
			return value, nil
		}
		field, ok, err := oneField(value, name)
		if err != nil {
			return value, err
		}
		if !ok {
			return value, noField(expression, names[:i], name, value)
		}
		value = field
	}
	return value, nil
}

// oneField returns a field of value, and whether it can have fields of this name. Times and versions have methods.
func oneField(value reflect.Value, name string) (field reflect.Value, ok bool, err error) {
	switch value.Kind() {
	case reflect.Map:
		if value.Type().Key().Kind() != reflect.String {
			return value, false, nil
		}
		return value.MapIndex(reflect.ValueOf(name)), true, nil
	case reflect.Struct:
		if value.Type() == digitsType {
			return value, false, nil
		}
		if method := value.MethodByName(name); method.IsValid() {
			return callMethod(method, name)
		}
		if field, ok := value.Type().FieldByName(name); ok && field.IsExported() {
			return value.FieldByIndex(field.Index), true, nil
		}
	}
	return value, false, nil
}

func callMethod(method reflect.Value, name string) (result reflect.Value, ok bool, err error) {
	if n := method.Type().NumIn(); n > 0 {
		return method, false, fmt.Errorf("wrong number of args for %s: want %d got 0", name, n)
	}
	return method.Call(nil)[0], true, nil
}

// noField is the error of a value that has no field of this name. before are the names by which it was reached.
func noField(expression string, before []string, name string, value reflect.Value) error {
	kind := typeName(plain(value))
	reached := strings.Join(append([]string{expression}, before...), ".")
	if reached == "" {
		return fmt.Errorf("%s has no .%s", kind, name)
	}
	return fmt.Errorf("%s is %s and has no .%s", reached, kind, name)
}

// withFields returns what to put in place of an operand, so that it takes fields of missing values for missing. typ is
// the type of the value that it begins with. takesMore says that the last field may be a method with arguments.
func (c *checker) withFields(node parse.Node, typ reflect.Type, expression string, takesMore bool) parse.Node {
	begin, names := fieldsOf(node)
	known := knownFields(typ, names)
	if known == len(names) {
		return node
	}
	for range len(names) - known + 4 {
		if !c.count(node.Position()) {
			return node
		}
	}
	last := len(names)
	if takesMore {
		last--
	}
	value := pipeOf(begin(known))
	if known < last {
		rest := "." + strings.Join(names[known:], ".")
		value = fieldCall(begin(known), strings.TrimSuffix(expression, rest), expression, names[known:last])
	}
	if takesMore {
		return &parse.ChainNode{NodeType: parse.NodeChain, Pos: node.Position(), Node: value, Field: names[last:]}
	}
	return value
}

// fieldsOf returns the fields that an operand takes, and a function that returns it with only the first of them.
func fieldsOf(node parse.Node) (begin func(fields int) parse.Node, names []string) {
	switch n := node.(type) {
	case *parse.FieldNode:
		return func(fields int) parse.Node {
			if fields == 0 {
				return &parse.DotNode{NodeType: parse.NodeDot, Pos: n.Pos}
			}
			return &parse.FieldNode{NodeType: parse.NodeField, Pos: n.Pos, Ident: n.Ident[:fields]}
		}, n.Ident
	case *parse.VariableNode:
		return func(fields int) parse.Node {
			return &parse.VariableNode{NodeType: parse.NodeVariable, Pos: n.Pos, Ident: n.Ident[:1+fields]}
		}, n.Ident[1:]
	case *parse.ChainNode:
		return func(fields int) parse.Node {
			if fields == 0 {
				return n.Node
			}
			return &parse.ChainNode{NodeType: parse.NodeChain, Pos: n.Pos, Node: n.Node, Field: n.Field[:fields]}
		}, n.Field
	}
	return nil, nil
}

// knownFields returns how many of the fields, from the first one on, are those of a type that is known.
func knownFields(typ reflect.Type, names []string) int {
	for i, name := range names {
		switch {
		case typ == nil || typ.Kind() == reflect.Interface:
			return i
		case typ.Kind() == reflect.Map:
			typ = typ.Elem()
		case typ.Kind() == reflect.Struct:
			field, ok := typ.FieldByName(name)
			if !ok {
				return len(names) // It is reported.
			}
			typ = field.Type
		default:
			return len(names)
		}
	}
	return len(names)
}

// fieldCall returns a call of fieldOf. before and expression are how the template writes the value, and all of it.
func fieldCall(value parse.Node, before, expression string, names []string) *parse.PipeNode {
	pos := value.Position()
	text := func(text, printed string) parse.Node {
		return &parse.StringNode{NodeType: parse.NodeString, Pos: pos, Text: text, Quoted: printed}
	}
	if len(expression) > maxQuoted {
		before, expression = "a value", "a value" // Half of it could have half of a constant, which no redactor finds.
	}
	args := []parse.Node{text(before, callStart), value}
	for _, name := range names[:len(names)-1] {
		args = append(args, text(name, ""))
	}
	// The last argument is what text/template names where the result is of no use.
	args = append(args, text(names[len(names)-1], expressionStart+expression+expressionEnd))
	return pipeOf(command(pos, fieldFunction, args...))
}

// expressionOf returns how a template writes an operand that may take fields.
func expressionOf(node parse.Node) string {
	switch node.(type) {
	case *parse.FieldNode, *parse.VariableNode, *parse.ChainNode:
		return withoutMarks.Replace(node.String())
	}
	return ""
}

var withoutMarks = strings.NewReplacer(callStart, "", expressionStart, "", expressionEnd, "")

// pipeOf returns node in parentheses.
func pipeOf(node parse.Node) *parse.PipeNode {
	cmd, ok := node.(*parse.CommandNode)
	if !ok {
		cmd = &parse.CommandNode{NodeType: parse.NodeCommand, Pos: node.Position(), Args: []parse.Node{node}}
	}
	return &parse.PipeNode{NodeType: parse.NodePipe, Pos: node.Position(), Cmds: []*parse.CommandNode{cmd}}
}

// withoutFieldCalls returns a part of a template as its author wrote it.
func withoutFieldCalls(text string) string {
	for {
		before, after, ended := strings.Cut(text, expressionEnd) // The first one to end has no others in it.
		start := strings.LastIndex(before, expressionStart)
		if !ended || start < 0 {
			return text
		}
		before, expression := before[:start], before[start+1:]
		if call := strings.LastIndex(before, fieldFunction+" "+callStart); call >= 0 {
			before = before[:call]
			if strings.HasSuffix(before, "(") && strings.HasPrefix(after, ")") {
				before, after = before[:len(before)-1], after[1:]
			}
		}
		text = before + expression + after
	}
}
