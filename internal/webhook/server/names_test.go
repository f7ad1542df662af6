package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// What answers repeat must not be long. What they do not repeat may be.
func TestLongNames(t *testing.T) {
	long := strings.Repeat("<", maxNames+1)
	for _, test := range []struct {
		request string
		want    int
	}{
		{`"uid": %q`, http.StatusBadRequest},
		{`"name": %q`, http.StatusBadRequest},
		{`"namespace": %q`, http.StatusBadRequest},
		{`"kind": {"group": %q}`, http.StatusBadRequest},
		{`"kind": {"version": %q}`, http.StatusBadRequest},
		{`"kind": {"kind": %q}`, http.StatusBadRequest},
		{`"userInfo": {"username": %q}`, http.StatusBadRequest},
		{`"object": {"metadata": {"name": %q}}`, http.StatusBadRequest},
		{`"object": {"metadata": {"namespace": %q}}`, http.StatusBadRequest},
		{`"object": {"spec": {"jobTemplateName": %q}}`, http.StatusBadRequest},
		{`"oldObject": {"metadata": {"name": %q}}`, http.StatusBadRequest},
		// Keys of other case are other keys. Of a key that is given twice, the last counts.
		{`"name": %q, "Name": "", "NAME": ""`, http.StatusBadRequest},
		{`"name": "", "name": %q`, http.StatusBadRequest},
		{`"object": {"metadata": {"name": ""}}, "object": {"metadata": {"name": %q}}`, http.StatusBadRequest},
		{`"object": {"spec": {"payload": %q}}`, http.StatusOK},
		{`"object": {"metadata": {"annotations": {"name": %q}}}`, http.StatusOK},
	} {
		body := fmt.Sprintf(`{"request": {`+test.request+`}}`, long)
		if got := serve(newReviews().limit(http.HandlerFunc(fine)), post("10.0.0.1", body)).Code; got != test.want {
			t.Errorf("%s: got %d, want %d", test.request, got, test.want)
		}
	}
}

// A review with too many values is answered with its names, which are those that were bounded.
func TestAnswersToManyValuesAreShort(t *testing.T) {
	body := fmt.Sprintf(`{"request": {"Name": %q, "UID": %[1]q, "options": [0%s]}}`,
		strings.Repeat("<", 1<<20), strings.Repeat(",0", maxValues))
	answer := serve(newReviews().limit(http.HandlerFunc(fine)), post("10.0.0.1", body))
	if length := answer.Body.Len(); answer.Code != http.StatusOK || length > 1<<10 {
		t.Errorf("got %d, and %d bytes", answer.Code, length)
	}
}
