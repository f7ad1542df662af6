package render

// repeatable are functions that return the same for the same arguments. There are more: a function that is missing here
// costs the executions of a template that uses it a dry run each, and one that is wrongly here lets invalid Jobs pass.
var repeatable = func() map[string]bool {
	all := map[string]bool{}
	for _, name := range []string{
		"and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "default", "coalesce", "empty", "ternary", "required",
		"fail", "leaveOut", "index", "get", "hasKey", "dig", "dict", "list", "first", "last", "has", "len", "slice",
		"print", "printf", "quote", "squote", "cat", "join", "split", "splitList", "lower", "upper", "title", "trim",
		"trimAll", "trimSuffix", "trimPrefix", "trunc", "abbrev", "substr", "replace", "repeat", "contains",
		"hasPrefix", "hasSuffix", "kebabcase", "snakecase", "camelcase", "regexMatch", "regexReplaceAll", "toString",
		"toJson", "fromJson", "toYaml", "fromYaml", "int", "int64", "add", "sub", "mul", "div", "mod", "max", "min",
		"b64enc", "sha1sum", "sha256sum", "adler32sum",
	} {
		all[name] = true
	}
	return all
}()
