package integration

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// schemaDifference is a difference between the schema of batch/v1 and that of spec.jobTemplate in the CRD.
type schemaDifference struct {
	keyword string // of JSON Schema, or "property"
	path    string // a regular expression for the whole path
	reason  string
}

// schemaDifferences are all that there are. docs/templates.md describes those that a user can notice.
var schemaDifferences = []schemaDifference{
	{"default", `.*`, "batch/v1 publishes the zero values of Go as defaults. A field that is missing has them in both"},
	{"anyOf|oneOf|format|x-kubernetes-int-or-string", `.*[pP]ort|.*\.(maxUnavailable|maxSurge)`,
		"an integer or a string has another form in the schema of a CRD"},
	{"oneOf", quantityPaths, "see pattern"},
	{"pattern|maxLength|maxItems|maxProperties|not|type|x-kubernetes-preserve-unknown-fields", quantityPaths,
		"a quantity is bounded: some of 30 bytes take programs hours to read"},
	{"maxItems|maxLength|minLength|maximum|minimum", `\.spec\.(scheduling|template\.spec\.evictionResponders)\b.*`,
		"the API server checks this of a Job, too, but does not publish it"},
	{"x-kubernetes-map-type", `.*\.(configMapRef|secretRef|configMap|secret)`,
		"the marker of the Go type is for the name in it. A manager applies such a reference as a whole"},
	{"enum", `.*`, "any string may be a template. The API server checks the Job that is rendered"},
	{"property", `\.(apiVersion|kind|status)`,
		"the manifest of a whole Job is refused with one message that says what to leave out"},
	{"nullable", `(\.spec\.template)?\.metadata\.(creation|deletion)Timestamp`, "programs of Go write null"},
	{".*", `(\.spec\.template)?\.metadata\.(managedFields|ownerReferences)\b.*`, "a template with these is refused"},
	{"x-kubernetes-list-type", `.*\.metadata\.finalizers`, "a template with these is refused"},
	{"property", `.*\.(template|volumeClaimTemplate)\.metadata\..*`,
		"pods and claims get nothing else than labels, annotations and finalizers"},
	{"required", `.*\.(httpHeaders\[\]|sysctls\[\]|iscsi|sleep)`,
		"batch/v1 publishes it as required, and takes an object without it"},
}

const quantityPaths = `.*\.(limits|requests|capacity|overhead)\{\}|.*\.(divisor|sizeLimit)`

// published is a schema as the API server publishes it for its own types, and as a CRD has it.
type published map[string]any

var _ = Describe("The schema of a Job in a JobTemplate", func() {
	It("is that of batch/v1, but for differences that have a reason", func(ctx SpecContext) {
		document := struct {
			Components struct {
				Schemas map[string]published `json:"schemas"`
			} `json:"components"`
		}{}
		answered := kubectl.Run(ctx, "get", "--raw", "/openapi/v3/apis/batch/v1")
		Expect(answered.Err).NotTo(HaveOccurred(), answered.Stderr)
		Expect(json.Unmarshal([]byte(answered.Stdout), &document)).To(Succeed())
		theirs := document.Components.Schemas

		var definition apiextensionsv1.CustomResourceDefinition
		readYAML(filepath.Join(plane.Root, "config/crd/bases/dispatcher.ivan.vc_jobtemplates.yaml"), &definition)
		root := definition.Spec.Versions[0].Schema.OpenAPIV3Schema
		text, err := json.Marshal(root.Properties["spec"].Properties["jobTemplate"])
		Expect(err).NotTo(HaveOccurred())
		var ours published
		Expect(json.Unmarshal(text, &ours)).To(Succeed())

		w := schemaWalker{definitions: theirs, used: map[string]bool{}}
		w.compare("", published{"$ref": "#/components/schemas/io.k8s.api.batch.v1.JobTemplateSpec"}, ours)
		Expect(w.compared).To(BeNumerically(">", 1000), "fields")
		Expect(w.unexplained).To(BeEmpty())
		for _, d := range schemaDifferences {
			Expect(w.used).To(HaveKey(d.keyword+d.path), "there is no such difference any more: remove it from the table")
		}
	})
})

type schemaWalker struct {
	definitions map[string]published
	compared    int
	used        map[string]bool
	unexplained []string
}

// notCompared are the keywords that say nothing of what an object may be.
var notCompared = []string{
	"properties", "items", "additionalProperties", "description", "allOf", "$ref",
	"x-kubernetes-group-version-kind", "x-kubernetes-patch-merge-key", "x-kubernetes-patch-strategy", "x-kubernetes-unions",
}

func (w *schemaWalker) compare(path string, theirs, ours published) {
	w.compared++
	theirs = w.resolve(theirs)
	keywords := slices.Sorted(maps.Keys(merge(theirs, ours)))
	for _, keyword := range keywords {
		if slices.Contains(notCompared, keyword) || sameKeyword(theirs[keyword], ours[keyword]) {
			continue
		}
		w.report(keyword, path, theirs[keyword], ours[keyword])
	}
	for _, keyword := range []string{"items", "additionalProperties"} {
		their, ok := child(theirs, keyword)
		our, found := child(ours, keyword)
		switch {
		case ok && found:
			w.compare(path+map[string]string{"items": "[]", "additionalProperties": "{}"}[keyword], their, our)
		case ok || found:
			w.report(keyword, path, their, our)
		}
	}
	their, _ := child(theirs, "properties")
	our, _ := child(ours, "properties")
	for _, name := range slices.Sorted(maps.Keys(merge(their, our))) {
		t, ok := child(their, name)
		o, found := child(our, name)
		if ok && found {
			w.compare(path+"."+name, t, o)
			continue
		}
		w.report("property", path+"."+name, ok, found)
	}
}

// resolve follows references. What is said beside a reference is valid, too.
func (w *schemaWalker) resolve(schema published) published {
	for {
		reference, _ := schema["$ref"].(string)
		if all, ok := schema["allOf"].([]any); ok && len(all) == 1 {
			reference, _ = all[0].(map[string]any)["$ref"].(string)
		}
		if reference == "" {
			return schema
		}
		name := reference[strings.LastIndex(reference, "/")+1:]
		referred, ok := w.definitions[name]
		Expect(ok).To(BeTrue(), name)
		beside := maps.Clone(schema)
		delete(beside, "$ref")
		delete(beside, "allOf")
		schema = merge(referred, beside)
	}
}

func (w *schemaWalker) report(keyword, path string, theirs, ours any) {
	for _, d := range schemaDifferences {
		if matches(d.keyword, keyword) && matches(d.path, path) {
			w.used[d.keyword+d.path] = true
			return
		}
	}
	w.unexplained = append(w.unexplained, fmt.Sprintf("%s of %s: batch/v1 has %v, the CRD %v", keyword, path, theirs, ours))
}

func matches(pattern, text string) bool {
	return regexp.MustCompile(`^(?:` + pattern + `)$`).MatchString(text)
}

// sameKeyword compares the values of a keyword. Lists of names have no order.
func sameKeyword(a, b any) bool {
	return reflect.DeepEqual(inOrder(a), inOrder(b))
}

func inOrder(value any) any {
	list, ok := value.([]any)
	if !ok {
		return value
	}
	return slices.SortedFunc(slices.Values(list), func(a, b any) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}

func child(of published, name string) (published, bool) {
	value, ok := of[name].(map[string]any)
	return value, ok
}

func merge(a, b published) published {
	all := maps.Clone(a)
	if all == nil {
		all = published{}
	}
	maps.Copy(all, b)
	return all
}
