package httpapi

import (
	"errors"
	"net/http/httptest"
	"testing"

	"dispatcher.ivan.vc/internal/httpapi/problem"
)

func TestNegotiate(t *testing.T) {
	for _, test := range []struct {
		reason string
		accept []string
		want   mediaType // none where it is refused
	}{
		{"no header", nil, mediaJSON},
		{"an empty one", []string{""}, mediaJSON},
		{"anything", []string{"*/*"}, mediaJSON},
		{"its family", []string{"application/*"}, mediaJSON},
		{"JSON", []string{"application/json"}, mediaJSON},
		{"YAML", []string{"application/yaml"}, mediaYAML},
		{"case does not matter", []string{"Application/YAML"}, mediaYAML},
		{"events", []string{"text/event-stream"}, mediaEvents},
		{"as a browser reads a page", []string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, mediaJSON},
		{"as kubectl asks for a table", []string{"application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}, mediaJSON},
		{"a charset is no other form", []string{"application/json; charset=utf-8"}, mediaJSON},
		{"the better one of two", []string{"application/json;q=0.5, application/yaml"}, mediaYAML},
		{"of two headers too", []string{"application/json;q=0.5", "application/yaml"}, mediaYAML},
		{"ours of two equal ones", []string{"application/yaml, application/json"}, mediaJSON},
		{"the specific range counts", []string{"application/*;q=0.1, application/json;q=0.9, application/yaml;q=0.8"},
			mediaJSON},
		{"wherever it stands", []string{"application/json;q=0.1, application/*"}, mediaYAML},
		{"all but one", []string{"application/json;q=0, */*"}, mediaYAML},
		{"what is malformed is passed over", []string{";;, /, application/yaml"}, mediaYAML},
		{"something else", []string{"text/html"}, ""},
		{"nothing of ours", []string{"*/*;q=0"}, ""},
		{"a quality that is none", []string{"application/json;q=high"}, ""},
		{"only nonsense", []string{"json"}, ""},
	} {
		request := httptest.NewRequest("GET", "/", nil)
		request.Header["Accept"] = test.accept
		got, err := negotiate(request, mediaJSON, mediaYAML, mediaEvents)
		var refused *problem.Problem
		if got != test.want || (test.want == "") != errors.As(err, &refused) {
			t.Errorf("%s: got %q, %v, want %q", test.reason, got, err, test.want)
		}
		if refused != nil && refused.Reason != problem.NotAcceptable {
			t.Errorf("%s: refused as %s", test.reason, refused.Reason)
		}
	}
}
