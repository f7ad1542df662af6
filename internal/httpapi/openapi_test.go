package httpapi

import (
	"flag"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/mux"
	"sigs.k8s.io/yaml"

	"dispatcher.ivan.vc/internal/httpapi/problem"
)

var update = flag.Bool("update", false, "copy the schemas of the CRDs to openapi.yaml")

// documented is what these tests read of openapi.yaml.
type documented struct {
	Paths      map[string]map[string]any
	Components struct {
		Schemas   map[string]any
		Responses map[string]struct {
			Headers map[string]any
			Content map[string]struct {
				Schema struct {
					Properties struct {
						Status struct{ Const int }
						Reason struct{ Enum []problem.Reason }
					}
				}
			}
		}
	}
}

func readDocument(t testing.TB) documented {
	var document documented
	if err := yaml.Unmarshal([]byte(openAPIDocument), &document); err != nil {
		t.Fatal(err)
	}
	return document
}

// The router's routes and methods are the document's, both ways.
func TestDocumentHasEveryRoute(t *testing.T) {
	var want []string
	router := newRouter(groupsOf(testDependencies(nil, testOptions()), testOptions())...)
	if err := router.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := route.GetPathTemplate()
		if err != nil {
			return err
		}
		for method := range route.GetHandler().(methods) {
			want = append(want, method+" "+path)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for path, item := range readDocument(t).Paths {
		for key := range item {
			if method := strings.ToUpper(key); slices.Contains(knownMethods, method) {
				got = append(got, method+" "+path)
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations of openapi.yaml (-registered +documented):\n%s", diff)
	}
}

// Every reason is documented with its status code, and no others are.
func TestDocumentHasEveryReason(t *testing.T) {
	document := readDocument(t)
	// These two are said once, for all paths.
	got := map[problem.Reason]int{
		problem.NotFound:         http.StatusNotFound,
		problem.MethodNotAllowed: http.StatusMethodNotAllowed,
	}
	for _, response := range document.Components.Responses {
		refusal := response.Content["application/problem+json"].Schema.Properties
		for _, why := range refusal.Reason.Enum {
			got[why] = refusal.Status.Const
		}
	}
	if diff := cmp.Diff(problem.Statuses(), got); diff != "" {
		t.Errorf("reasons and problem.Statuses() (-reasons.go +openapi.yaml):\n%s", diff)
	}
	var enum []problem.Reason
	for _, value := range document.Components.Schemas["Reason"].(map[string]any)["enum"].([]any) {
		enum = append(enum, problem.Reason(value.(string)))
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(problem.Statuses())), enum); diff != "" {
		t.Errorf("the schema Reason (-reasons.go +openapi.yaml):\n%s", diff)
	}
}

// The table of docs/http-api.md has every reason beside its status code.
func TestDocsHaveEveryReason(t *testing.T) {
	docs, err := os.ReadFile("../../docs/http-api.md")
	if err != nil {
		t.Fatal(err)
	}
	got := map[problem.Reason]int{}
	for line := range strings.Lines(string(docs)) {
		row := strings.Split(line, "|")
		if len(row) != 5 {
			continue
		}
		status, err := strconv.Atoi(strings.TrimSpace(row[1]))
		if err != nil {
			continue
		}
		for why := range strings.SplitSeq(row[2], ",") {
			got[problem.Reason(strings.Trim(why, " `"))] = status
		}
	}
	if diff := cmp.Diff(problem.Statuses(), got); diff != "" {
		t.Errorf("reasons and problem.Statuses() (-reasons.go +docs/http-api.md):\n%s", diff)
	}
}

// A response without headers would have none of them checked, and the code that it is listed under has to be its own.
func TestDocumentedResponsesAreWhole(t *testing.T) {
	document := readDocument(t)
	for name, response := range document.Components.Responses {
		if response.Headers["X-Request-Id"] == nil {
			t.Errorf("response %s has no X-Request-Id", name)
		}
	}
	for path, item := range document.Paths {
		for method, operation := range item {
			if method == "parameters" {
				continue
			}
			for code, value := range operation.(map[string]any)["responses"].(map[string]any) {
				reference, _ := value.(map[string]any)["$ref"].(string)
				response, ok := document.Components.Responses[strings.TrimPrefix(reference, "#/components/responses/")]
				if !ok {
					t.Errorf("%s %s %s is not one of the components", method, path, code)
				}
				status := response.Content["application/problem+json"].Schema.Properties.Status.Const
				if refused := code >= "400"; refused && strconv.Itoa(status) != code || !refused && status != 0 {
					t.Errorf("%s %s %s has a problem with the status %d", method, path, code, status)
				}
			}
		}
	}
}

// The schemas of spec and status are those of the CRD, to the letter.
func TestSchemasAreThoseOfTheCRD(t *testing.T) {
	source, err := os.ReadFile("../../config/crd/bases/dispatcher.ivan.vc_jobexecutions.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPIV3Schema struct{ Properties map[string]any }
				}
			}
		}
	}
	if err := yaml.Unmarshal(source, &crd); err != nil {
		t.Fatal(err)
	}
	properties := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties
	want := map[string]any{
		"JobExecutionSpec":   withoutExtensions(properties["spec"]),
		"JobExecutionStatus": withoutExtensions(properties["status"]),
	}
	if *update {
		writeSchemas(t, want)
		return
	}
	schemas := readDocument(t).Components.Schemas
	for name, schema := range want {
		if diff := cmp.Diff(schema, schemas[name]); diff != "" {
			t.Errorf("%s is not as in the CRD: run this test with -update (-CRD +openapi.yaml):\n%s", name, diff)
		}
	}
}

// withoutExtensions drops what only the Kubernetes API server understands.
func withoutExtensions(node any) any {
	fields, ok := node.(map[string]any)
	if !ok {
		return node
	}
	kept := map[string]any{}
	for key, value := range fields {
		if strings.HasPrefix(key, "x-kubernetes-") || key == "default" {
			continue
		}
		kept[key] = withoutExtensions(value)
	}
	return kept
}

// writeSchemas puts schemas at the end of openapi.yaml, after the line that says so.
func writeSchemas(t *testing.T, schemas map[string]any) {
	written, err := yaml.Marshal(schemas)
	if err != nil {
		t.Fatal(err)
	}
	const mark = "-update\n"
	head, _, ok := strings.Cut(openAPIDocument, mark)
	if !ok {
		t.Fatal("openapi.yaml does not say where the copied schemas begin")
	}
	var document strings.Builder
	document.WriteString(head + mark)
	for line := range strings.Lines(string(written)) {
		if line != "\n" {
			document.WriteString("    ")
		}
		document.WriteString(line)
	}
	if err := os.WriteFile("openapi.yaml", []byte(document.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestDescription(t *testing.T) {
	server := newFakeAPIServer(t).server(t, testOptions())
	get := func(method, condition string) *http.Response {
		request := httptest.NewRequest(method, "/openapi.yaml", nil)
		if condition != "" {
			request.Header.Set("If-None-Match", condition)
		}
		return serve(server, request)
	}
	whole := get(http.MethodGet, "")
	if whole.StatusCode != http.StatusOK || whole.Header.Get("Content-Type") != "application/yaml" ||
		whole.ContentLength != int64(len(openAPIDocument)) {
		t.Errorf("GET: %d, %v", whole.StatusCode, whole.Header)
	}
	tag := whole.Header.Get("ETag")
	for _, test := range []struct {
		reason, condition string
		want              int
	}{
		{"the tag", tag, http.StatusNotModified},
		{"weakly compared", "W/" + tag, http.StatusNotModified},
		{"one of several", `"other", ` + tag, http.StatusNotModified},
		{"another", `"other"`, http.StatusOK},
	} {
		if got := get(http.MethodGet, test.condition); got.StatusCode != test.want || got.Header.Get("ETag") != tag {
			t.Errorf("%s: %d, %v", test.reason, got.StatusCode, got.Header)
		}
	}
}
