package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/store"
)

// page is what a list is answered with, and the names in it.
func page(t *testing.T, api *fakeAPIServer, query string) (list dispatcherv1alpha1.JobExecutionList, names []string) {
	t.Helper()
	response := serve(api.server(t, testOptions()), httptest.NewRequest(http.MethodGet, "/executions/default"+query, nil))
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: status = %d", query, response.StatusCode)
	}
	decoder := json.NewDecoder(response.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&list); err != nil {
		t.Fatal(err)
	}
	if list.Kind != "JobExecutionList" || list.APIVersion != "dispatcher.ivan.vc/v1alpha1" || list.Items == nil {
		t.Errorf("%s: got %+v", query, list)
	}
	names = []string{}
	for _, item := range list.Items {
		if item.ManagedFields != nil || item.Kind != "JobExecution" {
			t.Errorf("%s: item %+v", query, item)
		}
		names = append(names, item.Name)
	}
	return list, names
}

func TestList(t *testing.T) {
	api := newFakeAPIServer(t)
	age := func(minutes int) func(*dispatcherv1alpha1.JobExecution) {
		return func(e *dispatcherv1alpha1.JobExecution) {
			e.CreationTimestamp = metav1.NewTime(time.Now().Add(-time.Duration(minutes) * time.Minute))
		}
	}
	api.put("a", age(4), summary(metav1.ConditionTrue, "Succeeded"))
	api.put("b", age(3), summary(metav1.ConditionFalse, "Canceled"))
	api.put("c", age(2), func(e *dispatcherv1alpha1.JobExecution) { e.Status.Conditions = nil })
	api.put("d", age(1), func(e *dispatcherv1alpha1.JobExecution) {
		e.Status.Conditions = []metav1.Condition{{Type: "Running", Status: "True"}, {Type: "Succeeded", Status: "Unknown"}}
	})
	api.put("e", age(9), summary(metav1.ConditionTrue, "Succeeded"))
	api.put("f", age(0), func(e *dispatcherv1alpha1.JobExecution) { e.Spec.JobTemplateName = "other" })
	for query, want := range map[string][]string{
		"":                             {"f", "d", "c", "b", "a", "e"},
		"?state=succeeded":             {"a", "e"},
		"?state=failed":                {"b"},
		"?state=waiting":               {"f", "c"},
		"?state=running":               {"d"},
		"?template=t":                  {"d", "c", "b", "a", "e"},
		"?template=other&state=failed": {},
		"?limit=2":                     {"b", "a"},
		"?limit=2&continue=b":          {"d", "c"},
		"?limit=2&state=succeeded":     {"a", "e"}, // from several pages of the API server
		"?limit=1&state=running":       {"d"},
	} {
		if list, got := page(t, api, query); cmp.Diff(want, got) != "" {
			t.Errorf("%s: got %v, want %v", query, got, want)
		} else if strings.Contains(query, "state") && list.RemainingItemCount != nil {
			t.Errorf("%s: %d remain, it says, and does not know", query, *list.RemainingItemCount)
		}
	}
	if list, _ := page(t, api, "?limit=2"); list.Continue != "b" || list.RemainingItemCount == nil {
		t.Errorf("the API server's own metadata is passed on, got %+v", list.ListMeta)
	}
	page(t, api, "?template=t")
	want := "labelSelector=dispatcher.ivan.vc%2Fjob-template%3Dt&limit=32"
	if api.Queries()[len(api.Queries())-1] != want {
		t.Errorf("the API server was asked for %s", api.Queries()[len(api.Queries())-1])
	}
	if list, _ := page(t, api, ""); list.Continue != "" {
		t.Errorf("the last page goes on at %q", list.Continue)
	}
}

func TestListIsBounded(t *testing.T) {
	t.Run("in bytes", func(t *testing.T) {
		api := newFakeAPIServer(t)
		for i := range 12 {
			api.put(
				fmt.Sprintf("n%02d", i),
				func(e *dispatcherv1alpha1.JobExecution) { e.Spec.Payload = strings.Repeat("x", 1<<20) },
			)
		}
		var all []string
		token := ""
		for range 12 {
			list, names := page(t, api, "?limit=12&continue="+token)
			if len(names) == 0 || len(names) > 6 {
				t.Fatalf("%d MiB in one page", len(names))
			}
			all = append(all, names...)
			if token = list.Continue; token == "" {
				break
			}
		}
		if len(all) != 12 || token != "" {
			t.Errorf("pages have %v, and go on at %q", all, token)
		}
	})
	// maxListRequests is how many requests to the API server a page may take.
	const maxListRequests = 20
	t.Run("in requests", func(t *testing.T) {
		api := newFakeAPIServer(t)
		for i := range maxListRequests + 5 {
			api.put(fmt.Sprintf("n%02d", i), summary(metav1.ConditionTrue, "Succeeded"))
		}
		list, names := page(t, api, "?limit=1&state=failed")
		if len(names) > 0 || list.Continue != fmt.Sprintf("n%02d", maxListRequests-1) ||
			len(api.Methods()) != maxListRequests {
			t.Errorf("got %v, going on at %q, with %d requests", names, list.Continue, len(api.Methods()))
		}
	})
}

// A list that waits behind others gets its turn in time, however slowly they are taken.
func TestSlowestListIsTakenWithinTheTurnOfTheNext(t *testing.T) {
	var page, rate time.Duration = store.MaxListBytes, minAnswerRate
	if slowest := answerGrace + page/rate*time.Second; slowest >= listTurnTimeout {
		t.Errorf("a page takes up to %v, and the next waits for %v", slowest, listTurnTimeout)
	}
}
