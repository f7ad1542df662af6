package gotemplate

import (
	"fmt"
	"maps"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

// functions are all functions that a template may call, each with its bound. `and` and `or` are not among them:
// text/template evaluates them itself, since they do not evaluate all of their arguments, and they make nothing.
var functions = func() map[string]function {
	all := map[string]function{}
	fromSprig := sprig.TxtFuncMap()
	for name, bound := range sprigBounds {
		all[name] = function{fn: fromSprig[name], bound: bound}
	}
	for _, own := range []map[string]function{
		builtinFunctions, comparisons, equalityFunctions, numberFunctions, textFunctions, dateFunctions,
		encodingFunctions, dictFunctions, listFunctions, urlFunctions, randomFunctions, ownFunctions,
	} {
		maps.Copy(all, own)
	}
	for name, must := range failing {
		all[name] = function{fn: fromSprig[must], bound: sprigBounds[must]}
	}
	for _, name := range printing {
		all[name] = function{fn: showing(all[name].fn), bound: all[name].bound}
	}
	return all
}()

// failing are functions of sprig that drop their error or panic with it, and those that return it.
var failing = map[string]string{
	"toJson": "mustToJson", "toPrettyJson": "mustToPrettyJson", "toRawJson": "mustToRawJson",
	"regexMatch": "mustRegexMatch", "regexFind": "mustRegexFind", "regexFindAll": "mustRegexFindAll",
	"regexSplit":             "mustRegexSplit",
	"regexReplaceAllLiteral": "mustRegexReplaceAllLiteral",
}

// printing are the functions that print values of any type. Numbers are printed as in JSON.
var printing = []string{
	"print", "println", "html", "js", "urlquery", "quote", "squote", "cat", "join", "toString", "toStrings", "sortAlpha",
	"shellQuote",
}

// isFunction says whether a template may use a function of this name.
func isFunction(name string) bool {
	_, ok := functions[name]
	return ok || name == "and" || name == "or"
}

// unavailable are the functions of sprig and of text/template that templates cannot use, and why.
var unavailable = func() map[string]string {
	const (
		environment = "it reads the environment of Dispatcher itself"
		network     = "it asks the network"
		keys        = "making keys and certificates takes much time, and all who may read the result could read them"
		slow        = "it is slow on purpose"
	)
	return map[string]string{
		"env": environment, "expandenv": environment, "getHostByName": network, "genPrivateKey": keys, "genCA": keys,
		"genCAWithKey": keys, "genSelfSignedCert": keys, "genSelfSignedCertWithKey": keys, "genSignedCert": keys,
		"genSignedCertWithKey": keys, "buildCustomCert": keys, "bcrypt": slow, "htpasswd": slow, "derivePassword": slow,
		"call": "there are no functions among the data that it could call",
	}
}()

// builtinFunctions are those of text/template that it has no reason to treat in a special way.
var builtinFunctions = map[string]function{
	"html": {template.HTMLEscaper, boundPrinted(6)}, "js": {template.JSEscaper, boundPrinted(8)},
	"urlquery": {template.URLQueryEscaper, boundPrinted(3)}, "print": {fmt.Sprint, boundPrinted(1)},
	"println": {fmt.Sprintln, boundPrinted(1)}, "printf": {printf, boundPrintf}, "index": {index, boundConstant(64)},
	"len": {length, boundConstant(8)}, "not": {not, boundConstant(8)},
}

// sprigBounds are the functions that are taken from sprig as they are. What is neither here nor among our own ones
// below cannot be used, so that a new sprig brings no function that nobody has looked at.
var sprigBounds = map[string]func(*call) (int, error){
	"hello": boundConstant(16),

	// Text.
	"trim": boundText(1), "upper": boundText(3), "lower": boundText(3), "title": boundText(3),
	"untitle": boundText(3), "trimall": boundTrimAll, "trimAll": boundTrimAll, "trimSuffix": boundText(1),
	"trimPrefix": boundText(1), "swapcase": boundText(3), "shuffle": boundText(4), "snakecase": boundText(4),
	"camelcase": boundText(4), "kebabcase": boundText(4), "contains": boundWalk, "hasPrefix": boundWalk,
	"hasSuffix": boundWalk, "quote": boundPrinted(4), "squote": boundPrinted(2), "cat": boundPrinted(2),
	"replace": boundReplace, "toString": boundPrinted(1), "toStrings": listOrValue(boundPrinted(3)),
	"splitList": boundSplit(32), "join": listOrValue(boundJoin),
	"sortAlpha": listOrValue(boundSorted), "sha1sum": boundWalk, "sha256sum": boundWalk, "sha512sum": boundWalk,
	"adler32sum": boundWalk, "b64enc": boundText(2), "b32enc": boundText(2), "base": boundText(1),
	"dir": boundText(1), "clean": boundText(1), "ext": boundText(1), "isAbs": boundWalk, "osBase": boundText(1),
	"osClean": boundText(1), "osDir": boundText(1), "osExt": boundText(1), "osIsAbs": boundWalk,

	"uuidv4": boundConstant(64), "encryptAES": boundText(4),

	// Lists.
	"list": boundShallow(32), "tuple": boundShallow(32), "first": boundConstant(16), "mustFirst": boundConstant(16),
	"last": boundConstant(16), "mustLast": boundConstant(16), "rest": boundShallow(32), "mustRest": boundShallow(32),
	"initial": boundShallow(32), "mustInitial": boundShallow(32), "reverse": boundShallow(32),
	"mustReverse": boundShallow(32), "compact": boundShallow(32), "mustCompact": boundShallow(32),
	"concat": boundShallow(48), "chunk": boundChunk, "mustChunk": boundChunk,

	// Defaults and types.
	"default": boundConstant(16), "empty": boundConstant(8), "coalesce": boundConstant(16), "all": boundConstant(8),
	"any": boundConstant(8), "ternary": boundConstant(16), "fail": boundText(1),

	// JSON. failing has those without must.
	"mustToJson": boundText(6), "mustToRawJson": boundText(6), "mustToPrettyJson": boundPrettyJSON,

	// Regular expressions. failing has those without must.
	"mustRegexMatch": boundSearch, "mustRegexFind": boundSearch, "mustRegexFindAll": boundSearchAll,
	"mustRegexSplit": boundSearchAll, "mustRegexReplaceAllLiteral": boundSearchAll, "regexQuoteMeta": boundText(2),
}
