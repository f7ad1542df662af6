package store

import (
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
)

func TestExecutionNames(t *testing.T) {
	for _, test := range []struct {
		template, want, reason string
	}{
		{"a", `^a-[a-z0-9]{10}$`, "a short name stays whole"},
		{strings.Repeat("a", 63), `^a{52}-[a-z0-9]{10}$`, "a long one is cut to what a Job's name has room for"},
		{strings.Repeat("a", 51) + ".b", `^a{51}-[a-z0-9]{10}$`, "a cut never ends in a dot"},
		{strings.Repeat("a", 50) + "--b", `^a{50}-[a-z0-9]{10}$`, "nor in dashes"},
		{strings.Repeat("a", 50) + "-b.c", `^a{50}-b-[a-z0-9]{10}$`, "a dash inside stays"},
	} {
		got := newName(test.template)
		if !regexp.MustCompile(test.want).MatchString(got) || len(got) > 63 {
			t.Errorf("%s: got %q, want %s", test.reason, got, test.want)
		}
		if rules := validation.IsDNS1123Subdomain(got); len(rules) > 0 {
			t.Errorf("%q is not a name: %v", got, rules)
		}
	}
}
