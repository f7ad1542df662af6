package server

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A quantity of 29 bytes keeps a processor busy for hours, and nothing can stop that: the review must not be decoded.
func TestCostlyQuantitiesAreNotDecoded(t *testing.T) {
	for _, test := range []struct {
		reason, object string
		refused        bool
	}{
		{"a usual one", `{"limits":{"cpu":"100m","memory":"1.5Gi"},"requests":{"cpu":1,"memory":"1e9"}}`, false},
		{"the smallest and the largest", `{"limits":{"a":"-9223372036854775807","b":"0.000000001","c":"9E"}}`, false},
		{"a large exponent", `{"limits":{"cpu":"1234567890123456789012e10000000"}}`, true},
		{"a small exponent", `{"requests":{"cpu":"1234567890123456789012E-10000000"}}`, true},
		{"an exponent with a sign and with zeros", `{"limits":{"cpu":"1e+0001"}}`, true},
		{"many digits", `{"limits":{"cpu":"` + strings.Repeat("9", 1000) + `"}}`, true},
		{"many digits after the point", `{"limits":{"cpu":"+.` + strings.Repeat("9", 1000) + `Gi"}}`, true},
		{"a number", `{"limits":{"cpu":1234567890123456789012e10000000}}`, true},
		{"a number as the value of the key", `{"divisor":-1e1000}`, true},
		{"a text as the value of the key", `{"sizeLimit":"1e1000"}`, true},
		{"white space", `{ "limits" : { "cpu" : " 1e1000" } }`, true},
		{"an escaped key", `{"\u006cimits":{"cpu":"1e1000"}}`, true},
		{"the second one", `{"overhead":{"a":"1","b":null,"c":true,"cpu":"1e1000"}}`, true},
		{"of another container", `[{"limits":{}},{"limits":null},{"limits":{"cpu":"1e1000"}}]`, true},
		{"the value of another key", `{"limits":{"cpu":"1"},"value":"1e1000"}`, false},
		{"a text that is no key", `["limits","1e1000"]`, false},
		{"after a value that is no object", `[{"limits":null,"a":"1e1000"},{"limits":true,"a":"1e1000"}]`, false},
	} {
		t.Run(test.reason, func(t *testing.T) {
			asked := false
			handler := newReviews().limit(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
			body := fmt.Sprintf(
				`{"request":{"uid":"1","kind":{"kind":"JobTemplate"},"object":{"spec":{"jobTemplate":%s}}}}`, test.object,
			)
			answer := serve(handler, post("10.0.0.1", body))
			if asked == test.refused {
				t.Errorf("the webhook was asked: %v", asked)
			}
			if test.refused {
				refusedAt(t, answer.Body, "spec.jobTemplate")
			}
		})
	}
}

// A webhook that does not decode quantities gets them, so that the API server's schema names the field.
func TestCostlyQuantitiesWhereNothingIsDecoded(t *testing.T) {
	asked := false
	handler := newReviews().limit(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	request := post("10.0.0.1", `{"request":{"uid":"1","object":{"limits":{"cpu":"1e1000"}}}}`)
	request.URL.Path = UndecodedPrefix + "x"
	serve(handler, request)
	if !asked {
		t.Error("the review was not handed over")
	}
}

// refusedAt fails unless a review was answered with a refusal of one field.
func refusedAt(t *testing.T, answer io.Reader, field string) {
	t.Helper()
	var review admissionv1.AdmissionReview
	if err := json.NewDecoder(answer).Decode(&review); err != nil || review.Response == nil {
		t.Fatalf("the answer is no review: %v", err)
	}
	status := review.Response.Result
	if review.Response.UID != "1" || review.Response.Allowed || status.Reason != metav1.StatusReasonInvalid ||
		len(status.Details.Causes) != 1 || status.Details.Causes[0].Field != field {
		t.Errorf("answered with %v, want a refusal of %s", review.Response, field)
	}
}

// Every key of a Job that leads to a quantity must be known.
func TestQuantityKeys(t *testing.T) {
	found := map[string]bool{}
	collectQuantityKeys(reflect.TypeFor[batchv1.JobTemplateSpec](), "", map[reflect.Type]bool{}, found)
	if diff := cmp.Diff(found, maps.Clone(quantityKeys)); diff != "" {
		t.Errorf("keys of quantities (-of a Job, +known):\n%s", diff)
	}
}

// collectQuantityKeys finds the keys that have quantities. key is the one of typ.
func collectQuantityKeys(typ reflect.Type, key string, seen map[reflect.Type]bool, found map[string]bool) {
	switch typ.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		collectQuantityKeys(typ.Elem(), key, seen, found)
	case reflect.Struct:
		if typ == reflect.TypeFor[resource.Quantity]() {
			found[key] = true
			return
		}
		if seen[typ] {
			return
		}
		seen[typ] = true
		for field := range typ.Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			collectQuantityKeys(field.Type, name, seen, found)
		}
	}
}
