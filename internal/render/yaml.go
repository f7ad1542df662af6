package render

import "dispatcher.ivan.vc/internal/gotemplate"

// YAML prints a value as YAML by its JSON form, with sorted keys and a newline at the end, as kubectl does.
func YAML(value any) ([]byte, error) { return gotemplate.YAML(value) }
