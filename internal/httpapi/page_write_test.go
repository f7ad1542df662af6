package httpapi

import (
	"encoding/json"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/store"
)

// A page that is written object by object reads as one that is written as a whole.
func TestPagesReadAsTheyWere(t *testing.T) {
	payloads := []string{
		"", "p", "a\nb", "a\n\nb\n", "\n", " \n ", "  a\n b", "- a\n- b", "a: b", "|",
		"'\"", "\t", "a\r\nb", "a\x00", "\u0085",
		"\u2028", "# no\n# comment", "---\n...\n", "a \nb", "<&>", "\ufeff", "true", "1e3", strings.Repeat("long line ", 100),
		strings.Repeat("a\n", 100) + "\n\n", "\n\n a\n\n  b\n", "🙂\n",
	}
	for count := range len(payloads) + 1 {
		want := dispatcherv1alpha1.JobExecutionList{
			TypeMeta: metav1.TypeMeta{APIVersion: "dispatcher.ivan.vc/v1alpha1", Kind: "JobExecutionList"},
			ListMeta: metav1.ListMeta{ResourceVersion: "1", Continue: "c", RemainingItemCount: new(int64(7))},
			Items:    []dispatcherv1alpha1.JobExecution{},
		}
		page := &store.Page{TypeMeta: want.TypeMeta, ListMeta: want.ListMeta}
		for i, payload := range payloads[:count] {
			item := invented("n" + strconv.Itoa(i))
			item.Spec.Payload = payload
			item.Annotations = map[string]string{"a": payload}
			text, err := json.Marshal(item)
			if err != nil {
				t.Fatal(err)
			}
			want.Items = append(want.Items, *item)
			page.Items = append(page.Items, store.Item{JSON: text})
		}
		for _, form := range objectTypes {
			recorder := httptest.NewRecorder()
			if err := writePage(recorder, form, page); err != nil {
				t.Fatal(err)
			}
			decode := json.Unmarshal
			if form == mediaYAML {
				decode = func(text []byte, into any) error { return yaml.UnmarshalStrict(text, into) }
			}
			var got dispatcherv1alpha1.JobExecutionList
			if err := decode(recorder.Body.Bytes(), &got); err != nil {
				t.Errorf("%s of %d: %v", form, count, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s of %d (-want +got):\n%s", form, count, diff)
			}
			length := recorder.Header().Get("Content-Length")
			if form == mediaJSON && length != strconv.Itoa(recorder.Body.Len()) {
				t.Errorf("Content-Length = %s of %d bytes", length, recorder.Body.Len())
			}
		}
	}
}
