package render

import (
	"bytes"
	"strings"

	"dispatcher.ivan.vc/internal/gotemplate"
)

// kubeletEscaper escapes for the kubelet, which expands $(NAME) and folds $$ to $ in a container's command, args and
// env, in the commands of its exec probes, and in subPathExpr. In those fields an action's output is escaped, so that
// the process gets exactly the bytes that the action printed, and a caller's payload cannot refer to the container's
// variables.
//
// What the author wrote outside of actions is left alone: $(NAME) there is a reference, as in any other Job. But a
// reference must be the author's own from $ to ): text just before an action that the action's output could complete,
// as in $({{ .Payload }}), is escaped as well.
type kubeletEscaper struct{}

var _ gotemplate.Escaper = kubeletEscaper{}

// Action escapes what an action printed.
func (kubeletEscaper) Action(text string) string { return strings.ReplaceAll(text, "$", "$$") }

// Literal escapes at the end of out[from:], the author's text before an action, what the action's output could
// complete. It reads the text as the kubelet does.
func (kubeletEscaper) Literal(out []byte, from int) []byte {
	if bytes.IndexByte(out[from:], '$') < 0 {
		return out
	}
	text := string(out[from:])
	lastCloser := strings.LastIndexByte(text, ')')
	out = out[:from]
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] != '$':
			out = append(out, text[i])
		case i+1 == len(text):
			out = append(out, "$$"...)
		case text[i+1] == '(' && lastCloser < i:
			out = append(out, "$$("...)
			i++
		case text[i+1] == '(':
			end := i + 2 + strings.IndexByte(text[i+2:], ')')
			out = append(out, text[i:end+1]...)
			i = end
		default:
			out = append(out, text[i], text[i+1])
			i++
		}
	}
	return out
}
