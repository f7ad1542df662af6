package httpapi

import (
	"net/http/httptest"
	"testing"
)

func TestMatches(t *testing.T) {
	const tag = `"uid.1.json"`
	for _, test := range []struct {
		reason string
		header []string
		want   bool
	}{
		{"no header", nil, false},
		{"the same", []string{`"uid.1.json"`}, true},
		{"any state", []string{`*`}, true},
		{"another", []string{`"uid.2.json"`}, false},
		{"another form", []string{`"uid.1.yaml"`}, false},
		{"weakly", []string{`W/"uid.1.json"`}, true},
		{"one of a list", []string{`"a", W/"b" ,"uid.1.json"`}, true},
		{"one of two headers", []string{`"a"`, `"uid.1.json"`}, true},
		{"a comma is part of a tag", []string{`"a,b", "uid.1.json"`}, true},
		{"empty elements are nothing", []string{`,, "uid.1.json",`}, true},
		{"a list without it", []string{`"a", "b",`}, false},
		{"without quotes", []string{`uid.1.json`}, false},
		{"without an end", []string{`"uid.1.json`}, false},
		{"within another", []string{`"uid.1.json.1"`}, false},
		{"a star in a list is no star", []string{`"a", *`}, false},
	} {
		request := httptest.NewRequest("GET", "/", nil)
		request.Header["If-None-Match"] = test.header
		if got := matches(request, tag); got != test.want {
			t.Errorf("%s: got %t", test.reason, got)
		}
	}
}
