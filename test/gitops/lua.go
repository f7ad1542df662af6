package main

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"
)

// evaluate runs a script as Argo CD does: with the object as obj, the parameters of an action as actionParams, and few
// libraries, not even that for strings.
func evaluate(script string, object, parameters map[string]any) (any, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable,
	} {
		state.Push(state.NewFunction(open))
		state.Push(lua.LString(name))
		state.Call(1, 0)
	}
	state.PreloadModule("os", safeOS)
	state.SetGlobal("obj", toLua(state, object))
	if parameters != nil {
		state.SetGlobal("actionParams", toLua(state, parameters))
	}
	if err := state.DoString(script); err != nil {
		return nil, fmt.Errorf("running the script: %w", err)
	}
	return fromLua(state.Get(-1)), nil
}

// safeOS has the two functions of the library os that Argo CD has.
func safeOS(state *lua.LState) int {
	whole := lua.NewState()
	defer whole.Close()
	module := state.NewTable()
	functions, _ := whole.GetGlobal("os").(*lua.LTable)
	for _, name := range []string{"date", "time"} {
		function, _ := functions.RawGetString(name).(*lua.LFunction)
		module.RawSetString(name, state.NewFunction(function.GFunction))
	}
	state.Push(module)
	return 1
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case string:
		return lua.LString(value)
	case bool:
		return lua.LBool(value)
	case float64:
		return lua.LNumber(value)
	case []any:
		table := state.NewTable()
		for _, item := range value {
			table.Append(toLua(state, item))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for key, item := range value {
			table.RawSetString(key, toLua(state, item))
		}
		return table
	}
	return lua.LNil
}

// fromLua returns a value of JSON. A table with items is a list, and an empty one an object.
func fromLua(value lua.LValue) any {
	switch value := value.(type) {
	case lua.LString:
		return string(value)
	case lua.LBool:
		return bool(value)
	case lua.LNumber:
		return float64(value)
	case *lua.LTable:
		if value.Len() > 0 {
			list := make([]any, 0, value.Len())
			for i := range value.Len() {
				list = append(list, fromLua(value.RawGetInt(i+1)))
			}
			return list
		}
		object := map[string]any{}
		value.ForEach(func(key, item lua.LValue) { object[key.String()] = fromLua(item) })
		return object
	}
	return nil
}
