package manifests

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/sets"
)

// tableRow is a row of docs/rbac.md: group, resource, verbs, where, for what.
var tableRow = regexp.MustCompile("(?m)^\\| (?:`([a-z0-9.]+)`|\\(core\\)) \\| `([a-z/]+)` \\| ([a-z, ]+) \\| ([a-zA-Z0-9_./]+) \\| .+ \\|$")

func TestEveryRightIsDocumented(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, "docs", "rbac.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := sets.New[string]()
	for _, row := range tableRow.FindAllStringSubmatch(string(content), -1) {
		for verb := range strings.SplitSeq(row[3], ", ") {
			documented.Insert(strings.Join([]string{row[1], row[2], verb}, " "))
		}
		if _, err := os.Stat(filepath.Join(root, row[4])); err != nil {
			t.Errorf("the place that needs %s %s: %v", row[2], row[3], err)
		}
	}
	granted := sets.New[string]()
	for _, rule := range rulesOfTheManager(t) {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					granted.Insert(strings.Join([]string{group, resource, verb}, " "))
				}
			}
		}
	}
	if diff := cmp.Diff(sets.List(granted), sets.List(documented)); diff != "" {
		t.Errorf("docs/rbac.md and the rights of the ServiceAccount differ (- granted, + documented):\n%s", diff)
	}
}

// rulesOfTheManager are those of all roles that are bound to the Deployment's ServiceAccount.
func rulesOfTheManager(t *testing.T) []rbacv1.PolicyRule {
	t.Helper()
	all := build(t, "default")
	var rules []rbacv1.PolicyRule
	for _, binding := range all.ofKind("ClusterRoleBinding") {
		if bound := get[rbacv1.ClusterRoleBinding](t, all, "ClusterRoleBinding",
			binding.GetName()); isOfTheManager(bound.Subjects) {
			rules = append(rules, get[rbacv1.ClusterRole](t, all, "ClusterRole", bound.RoleRef.Name).Rules...)
		}
	}
	for _, binding := range all.ofKind("RoleBinding") {
		if bound := get[rbacv1.RoleBinding](t, all, "RoleBinding", binding.GetName()); isOfTheManager(bound.Subjects) {
			rules = append(rules, get[rbacv1.Role](t, all, "Role", bound.RoleRef.Name).Rules...)
		}
	}
	return rules
}

func isOfTheManager(subjects []rbacv1.Subject) bool {
	return len(subjects) == 1 && subjects[0].Kind == rbacv1.ServiceAccountKind &&
		subjects[0].Name == "dispatcher-manager"
}
