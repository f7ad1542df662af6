package gotemplate

import (
	"reflect"
	"regexp"
	"strings"
)

// Other programs that run in a Job have {{ }} of their own, such as docker's --format. Their actions fail here, and the
// error says how to pass them on.

// literalBraces ends the message about an action that may be meant for another program.
const literalBraces = `; for a literal {{, write {{ "{{" }}`

// wrongArguments matches what text/template says of a function that got too few arguments. A word of another
// program's template may have the name of a function.
var wrongArguments = regexp.MustCompile(`wrong number of args for \w+: want (at least )?\d+ got 0$`)

// isWord says whether an action is nothing but a name.
func isWord(action string) bool { return functionName.MatchString(action) }

var fieldName = regexp.MustCompile(`\.(\w+)`)

// usesData says whether an action uses a field of the data of this program's templates.
func (c *compiler) usesData(action string) bool {
	if c.data == nil || c.data.Kind() != reflect.Struct {
		return false
	}
	for _, found := range fieldName.FindAllStringSubmatch(action, -1) {
		if _, ok := c.data.FieldByName(found[1]); ok {
			return true
		}
	}
	return false
}

// actionFrom returns the action that contains the offset or begins there. One without an end is cut.
func actionFrom(text string, at int) string {
	if at < 0 || at > len(text) {
		return ""
	}
	from := max(strings.LastIndex(text[:min(at+len("{{"), len(text))], "{{"), 0)
	action, _, _ := strings.Cut(text[from:], "}}")
	return action[:min(len(action), maxQuoted)]
}
