package v1alpha1

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"
)

// The API server refuses a status whose reasons and condition types do not match the patterns of the CRD.
func TestConditionsAreWhatTheCRDTakes(t *testing.T) {
	conditions := crd(t).Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["status"].Properties["conditions"].Items.Schema.Properties
	constants := constantsOf(t, "conditions.go")
	if len(constants) < 10 {
		t.Fatalf("found %d constants", len(constants))
	}
	for name, value := range constants {
		schema := conditions["reason"]
		if strings.HasPrefix(name, "Condition") {
			schema = conditions["type"]
		}
		if schema.Pattern == "" || !regexp.MustCompile(schema.Pattern).MatchString(value) || int64(len(value)) > *schema.MaxLength {
			t.Errorf("%s: %q does not match %q", name, value, schema.Pattern)
		}
	}
}

// An object with a label, an annotation or a finalizer of another form is refused.
func TestKeysAreQualifiedNames(t *testing.T) {
	constants := constantsOf(t, "keys.go")
	if len(constants) < 5 {
		t.Fatalf("found %d constants", len(constants))
	}
	for name, key := range constants {
		if problems := validation.IsQualifiedName(key); len(problems) > 0 {
			t.Errorf("%s: %q: %v", name, key, problems)
		}
		if prefix, _, _ := strings.Cut(key, "/"); prefix != GroupVersion.Group {
			t.Errorf("%s: %q is not in the API group", name, key)
		}
	}
}

// crd is the CRD of JobExecutions as it is deployed.
func crd(t *testing.T) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	content, err := os.ReadFile("../../config/crd/bases/dispatcher.ivan.vc_jobexecutions.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(content, found); err != nil {
		t.Fatal(err)
	}
	return found
}

// constantsOf are the string constants of a file, by their names.
func constantsOf(t *testing.T, file string) map[string]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	constants := map[string]string{}
	ast.Inspect(parsed, func(node ast.Node) bool {
		if spec, ok := node.(*ast.ValueSpec); ok {
			for i, value := range spec.Values {
				if literal, ok := value.(*ast.BasicLit); ok && literal.Kind == token.STRING {
					constants[spec.Names[i].Name], _ = strconv.Unquote(literal.Value)
				}
			}
		}
		return true
	})
	return constants
}
