package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/sets"
)

// unseen are rights that Dispatcher has and that the API server's record need not show, with the reason.
var unseen = map[string]string{
	"dispatcher.ivan.vc jobexecutions/finalizers update": "asked for by OwnerReferencesPermissionEnforcement when a Job is created, and not by a request",
	"batch jobs list":            "for API servers that do not stream lists to watchers",
	"(core) pods list":           "likewise, and where a Job ends before its pods are in the cache",
	"(core) namespaces list":     "likewise",
	"(core) resourcequotas list": "likewise",
	"(core) limitranges list":    "likewise",
	"events.k8s.io events patch": "for an event that comes again",
	"(core) events patch":        "for an event of the leader election that comes again",
}

// After all that use Dispatcher. Each of them runs with exactly the rights that config/rbac gives.
var _ = Describe("The ServiceAccount", SpecPriority(-1), func() {
	It("was refused nothing, and used every right that it has", func(ctx SpecContext) {
		used, refused := recorded()
		Expect(refused).To(BeEmpty(), "what Dispatcher did and may not do")
		granted := grantedRights(ctx)
		Expect(granted.Has("batch jobs create")).To(BeTrue())
		for right, reason := range unseen {
			Expect(granted.Has(right)).
				To(BeTrue(), "%s is not granted any more, so its exception is not needed: %s", right, reason)
			granted.Delete(right)
		}
		Expect(sets.List(granted.Difference(used))).
			To(BeEmpty(), "rights that nothing in this suite needed. Was all of it run?")
	})
})

// recorded reads what Dispatcher did out of the API server's record, and what it was not allowed to do.
func recorded() (used sets.Set[string], refused []string) {
	GinkgoHelper()
	file, err := os.Open(filepath.Join(cluster, "node", "log", "audit.log"))
	Expect(err).NotTo(HaveOccurred())
	defer file.Close()
	used = sets.New[string]()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var entry struct {
			Verb        string
			RequestURI  string
			Annotations map[string]string
			ObjectRef   *struct{ APIGroup, Resource, Subresource string }
		}
		Expect(json.Unmarshal(lines.Bytes(), &entry)).To(Succeed())
		if decision := entry.Annotations["authorization.k8s.io/decision"]; decision == "forbid" {
			refused = append(refused, entry.Verb+" "+entry.RequestURI)
		}
		if of := entry.ObjectRef; of != nil {
			used.Insert(right(of.APIGroup, of.Resource, of.Subresource, entry.Verb))
		}
	}
	Expect(lines.Err()).NotTo(HaveOccurred())
	slices.Sort(refused)
	return used, slices.Compact(refused)
}

// grantedRights reads the rights of Dispatcher's ServiceAccount out of the cluster.
func grantedRights(ctx context.Context) sets.Set[string] {
	GinkgoHelper()
	granted := sets.New[string]()
	add := func(rules []rbacv1.PolicyRule) {
		for _, rule := range rules {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					for _, verb := range rule.Verbs {
						granted.Insert(right(group, resource, "", verb))
					}
				}
			}
		}
	}
	var clusterRoles rbacv1.ClusterRoleList
	var clusterBindings rbacv1.ClusterRoleBindingList
	var roles rbacv1.RoleList
	var bindings rbacv1.RoleBindingList
	Expect(admin.List(ctx, &clusterRoles)).To(Succeed())
	Expect(admin.List(ctx, &clusterBindings)).To(Succeed())
	Expect(admin.List(ctx, &roles)).To(Succeed())
	Expect(admin.List(ctx, &bindings)).To(Succeed())
	for _, binding := range clusterBindings.Items {
		for _, role := range clusterRoles.Items {
			if isBound(binding.Subjects, binding.RoleRef, "ClusterRole", role.Name) {
				add(role.Rules)
			}
		}
	}
	for _, binding := range bindings.Items {
		for _, role := range roles.Items {
			if role.Namespace == binding.Namespace && isBound(binding.Subjects, binding.RoleRef, "Role", role.Name) {
				add(role.Rules)
			}
		}
	}
	return granted
}

func isBound(subjects []rbacv1.Subject, reference rbacv1.RoleRef, kind, role string) bool {
	bound := slices.ContainsFunc(subjects, func(subject rbacv1.Subject) bool {
		return subject.Kind == rbacv1.ServiceAccountKind && subject.Namespace == systemNamespace &&
			subject.Name == deployment
	})
	return bound && reference.Kind == kind && reference.Name == role
}

// right is one right in words, like "batch jobs create" or "(core) events create".
func right(group, resource, subresource, verb string) string {
	if group == "" {
		group = "(core)"
	}
	if subresource != "" {
		resource += "/" + subresource
	}
	return strings.Join([]string{group, resource, verb}, " ")
}
