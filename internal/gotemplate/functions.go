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
	for _, own := range []map[string]function{builtinFunctions, comparisons, dateFunctions, encodingFunctions, dictFunctions, ownFunctions} {
		maps.Copy(all, own)
	}
	return all
}()

// known says whether a template may use a function of this name.
func known(name string) bool {
	_, ok := functions[name]
	return ok || name == "and" || name == "or"
}

// leftOut are the functions of sprig and of text/template that templates cannot use, and why.
var leftOut = func() map[string]string {
	const (
		environment = "it reads the environment of Dispatcher itself"
		network     = "it asks the network"
		keys        = "making keys and certificates takes much time, and all who may read the result could read them"
		slow        = "it is slow on purpose"
	)
	return map[string]string{
		"env": environment, "expandenv": environment,
		"getHostByName": network,
		"genPrivateKey": keys, "genCA": keys, "genCAWithKey": keys, "genSelfSignedCert": keys, "genSelfSignedCertWithKey": keys,
		"genSignedCert": keys, "genSignedCertWithKey": keys, "buildCustomCert": keys,
		"bcrypt": slow, "htpasswd": slow, "derivePassword": slow,
		"call": "there are no functions among the data that it could call",
	}
}()

// builtinFunctions are those of text/template that it has no reason to treat in a special way.
var builtinFunctions = map[string]function{
	"html":     {template.HTMLEscaper, textual(6)},
	"js":       {template.JSEscaper, textual(8)},
	"urlquery": {template.URLQueryEscaper, textual(3)},
	"print":    {fmt.Sprint, textual(1)},
	"println":  {fmt.Sprintln, textual(1)},
	"printf":   {fmt.Sprintf, formatted},
	"index":    {index, fixed(64)},
	"len":      {length, fixed(8)},
	"not":      {not, fixed(8)},
}

// sprigBounds are the functions that are taken from sprig as they are. What is neither here nor among our own ones
// below cannot be used, so that a new sprig brings no function that nobody has looked at.
var sprigBounds = map[string]func(*call) (int, error){
	"hello": fixed(16),

	// Text.
	"abbrev": linear(2), "abbrevboth": linear(2), "trunc": linear(1), "trim": linear(1), "upper": linear(3), "lower": linear(3),
	"title": linear(3), "untitle": linear(3), "substr": linear(1), "repeat": repeated, "trimall": trimmed, "trimAll": trimmed,
	"trimSuffix": linear(1), "trimPrefix": linear(1), "initials": linear(3), "swapcase": linear(3), "shuffle": linear(4),
	"snakecase": linear(4), "camelcase": linear(4), "kebabcase": linear(4), "wrap": linear(2), "wrapWith": wrapped,
	"contains": walks, "hasPrefix": walks, "hasSuffix": walks, "quote": textual(4), "squote": textual(2), "cat": textual(2),
	"indent": padded, "nindent": padded, "replace": replaced, "plural": linear(1), "toString": textual(1), "toStrings": linear(3),
	"split": pieces(128), "splitList": pieces(32), "splitn": pieces(128), "join": joined, "sortAlpha": linear(20),
	"sha1sum": walks, "sha256sum": walks, "sha512sum": walks, "adler32sum": walks,
	"b64enc": linear(2), "b32enc": linear(2),
	"base": linear(1), "dir": linear(1), "clean": linear(1), "ext": linear(1), "isAbs": walks,
	"osBase": linear(1), "osClean": linear(1), "osDir": linear(1), "osExt": linear(1), "osIsAbs": walks,
	"urlParse": linear(8), "urlJoin": linear(8),
	"semverCompare": short,

	// Random.
	"randAlphaNum": chosen(4), "randAlpha": chosen(4), "randAscii": chosen(4), "randNumeric": chosen(4),
	"randBytes": chosen(3), "randInt": fixed(8), "uuidv4": fixed(64),
	"encryptAES": linear(4), "decryptAES": linear(4),

	// Numbers.
	"atoi": numbers, "int": numbers, "int64": numbers, "float64": numbers, "toDecimal": numbers,
	"add": numbers, "add1": numbers, "sub": numbers, "mul": numbers, "div": numbers, "mod": numbers,
	"addf": decimals, "add1f": decimals, "subf": decimals, "mulf": decimals, "divf": decimals,
	"biggest": numbers, "max": numbers, "min": numbers, "maxf": numbers, "minf": numbers,
	"ceil": numbers, "floor": numbers, "round": numbers,
	"until": counted(-1, 0, -1), "untilStep": counted(0, 1, 2), "seq": sequence,

	// Lists.
	"list": shells, "tuple": shells, "append": shells, "mustAppend": shells, "push": shells, "mustPush": shells,
	"prepend": shells, "mustPrepend": shells, "first": fixed(16), "mustFirst": fixed(16), "last": fixed(16), "mustLast": fixed(16),
	"rest": shells, "mustRest": shells, "initial": shells, "mustInitial": shells, "reverse": shells, "mustReverse": shells,
	"compact": shells, "mustCompact": shells, "slice": fixed(64), "mustSlice": fixed(64), "concat": shells,
	"chunk": chunked, "mustChunk": chunked, "has": walks, "mustHas": walks,
	"uniq": pairs, "mustUniq": pairs, "without": pairs, "mustWithout": pairs,

	// Dictionaries.
	"dict": shells, "get": fixed(16), "set": fixed(128), "unset": fixed(16), "hasKey": fixed(8), "pluck": shells,
	"pick": shells, "omit": shells, "dig": fixed(16),
	"deepCopy": linear(4), "mustDeepCopy": linear(4),

	// Defaults and types.
	"default": fixed(16), "empty": fixed(8), "coalesce": fixed(16), "all": fixed(8), "any": fixed(8), "ternary": fixed(16),
	"typeOf": fixed(64), "typeIs": fixed(8), "typeIsLike": fixed(8), "kindOf": fixed(64), "kindIs": fixed(8),
	"deepEqual": walks, "fail": linear(1),

	// JSON. toJson and the others drop their error, must... return it.
	"toJson": linear(6), "mustToJson": linear(6), "toRawJson": linear(6), "mustToRawJson": linear(6),
	"toPrettyJson": indented(6), "mustToPrettyJson": indented(6),

	// Regular expressions.
	"regexMatch": searched, "mustRegexMatch": searched, "regexFind": searched, "mustRegexFind": searched,
	"regexFindAll": searchedAll, "mustRegexFindAll": searchedAll, "regexSplit": searchedAll, "mustRegexSplit": searchedAll,
	"regexReplaceAll": searchedAll, "mustRegexReplaceAll": searchedAll,
	"regexReplaceAllLiteral": searchedAll, "mustRegexReplaceAllLiteral": searchedAll,
	"regexQuoteMeta": linear(2),
}
