package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

const (
	requestID = "X-Request-Id: r\nCache-Control: no-store\n"
	noSniff   = "X-Content-Type-Options: nosniff\n"
	problem   = requestID + noSniff + "Content-Type: application/problem+json\n"
	location  = "Location: /executions/a/b\n"
	meta      = `"metadata":{"name":"b","namespace":"a","uid":"u","resourceVersion":"1","creationTimestamp":"2026-01-01T00:00:00Z"}`
	execution = `{"apiVersion":"dispatcher.ivan.vc/v1alpha1","kind":"JobExecution",` + meta + `,"spec":{"jobTemplateName":"t"},"status":{}}`
)

// A contract that lets everything pass would be worth nothing.
func TestCheck(t *testing.T) {
	contract, err := load("../../internal/httpapi/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	body := func(status, reason string) string {
		return `{"type":"about:blank","title":"t","status":` + status + `,"reason":"` + reason + `","detail":"d","requestId":"r"}`
	}
	created := requestID + noSniff + "Vary: Accept\n" + location + "Content-Type: application/json\n"
	for _, test := range []struct {
		reason, method, path string
		code                 int
		header, body         string
		ok                   bool
	}{
		{"an answer as it should be", "PUT", "/execute/a/t", 201, created, execution, true},
		{"a status code of another call", "PUT", "/execute/a/t", 206, created, execution, false},
		{"a missing header", "PUT", "/execute/a/t", 201, requestID + noSniff + "Vary: Accept\nContent-Type: application/json\n", execution, false},
		{"a header too many", "PUT", "/execute/a/t", 201, created + "Server: x\n", execution, false},
		{"a header of another form", "PUT", "/execute/a/t", 201, requestID + noSniff + "Vary: Accept\nLocation: /x\nContent-Type: application/json\n", execution, false},
		{"another media type", "PUT", "/execute/a/t", 201, requestID + noSniff + "Vary: Accept\n" + location + "Content-Type: text/html\n", "", false},
		{"no body", "PUT", "/execute/a/t", 201, created, "", false},
		{"a repeat without the right to its outcome", "PUT", "/execute/a/t", 200, requestID + location, "", true},
		{"no body, and a type", "PUT", "/execute/a/t", 200, requestID + location + "Content-Type: application/json\n", "", false},
		{"a property too many", "PUT", "/execute/a/t", 201, created, strings.Replace(execution, `"status":{}`, `"status":{"x":1}`, 1), false},
		{"a property too few", "PUT", "/execute/a/t", 201, created, strings.Replace(execution, `"jobTemplateName":"t"`, ``, 1), false},
		{"managed fields", "PUT", "/execute/a/t", 201, created, strings.Replace(execution, `"uid"`, `"managedFields":[],"uid"`, 1), false},
		{"another type", "PUT", "/execute/a/t", 201, created, strings.Replace(execution, `"uid":"u"`, `"uid":1`, 1), false},
		{"no date", "PUT", "/execute/a/t", 201, created, strings.Replace(execution, `2026-01-01T00:00:00Z`, `now`, 1), false},
		{"a parameter that is not documented", "PUT", "/execute/a/t?x=1", 201, created, execution, false},
		{"a problem", "PUT", "/execute/a/t", 422, problem, body("422", "Invalid"), true},
		{"a reason of another status", "PUT", "/execute/a/t", 422, problem, body("422", "Timeout"), false},
		{"two statuses", "PUT", "/execute/a/t", 422, problem, body("400", "Invalid"), false},
		{"a member too many", "PUT", "/execute/a/t", 422, problem, strings.Replace(body("422", "Invalid"), `{`, `{"stack":"",`, 1), false},
		{"no Retry-After", "PUT", "/execute/a/t", 503, problem, body("503", "Unavailable"), false},
		{"no number", "PUT", "/execute/a/t", 503, problem + "Retry-After: soon\n", body("503", "Unavailable"), false},
		{"a Retry-After", "PUT", "/execute/a/t", 503, problem + "Retry-After: 5\n", body("503", "Unavailable"), true},
		{"another method", "GET", "/execute/a/t", 405, problem + "Allow: POST, PUT, OPTIONS\n", body("405", "MethodNotAllowed"), true},
		{"another Allow", "GET", "/execute/a/t", 405, problem + "Allow: PUT, OPTIONS\n", body("405", "MethodNotAllowed"), false},
		{"OPTIONS", "OPTIONS", "/execute/a/t", 204, requestID + "Allow: POST, PUT, OPTIONS\n", "", true},
		{"a call that is not documented", "GET", "/execute/a/t", 200, requestID + "Allow: POST, PUT, OPTIONS\n", "", false},
		{"another path", "GET", "/x", 404, problem, body("404", "NotFound"), true},
		{"another path with another answer", "GET", "/x", 200, requestID, "", false},
		{"an encoded slash is part of a name", "PUT", "/execute/a/b%2Fc", 400, problem, body("400", "InvalidRequest"), true},
		{"a body where none is documented", "GET", "/openapi.yaml", 304, requestID + "ETag: \"x\"\nCache-Control: no-cache\nContent-Type: text/plain\n", "x", false},
	} {
		header := http.Header{}
		for line := range strings.Lines(test.header) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			header.Set(name, value)
		}
		got := contract.judge(exchange{Method: test.method, URL: test.path, Code: test.code, Header: header, Body: []byte(test.body)})
		if (got.Violation == "") != test.ok {
			t.Errorf("%s: got %+v", test.reason, got)
		}
	}
}

// Every exchange gets one verdict, in order, after the operations.
func TestRun(t *testing.T) {
	in := `{"Method":"GET","URL":"http://127.0.0.1/x","Code":404}` + "\n" +
		`{"Method":"OPTIONS","URL":"/execute/a/t","Code":204,"Header":{"Allow":["POST, PUT, OPTIONS"]}}` + "\n" +
		`{"Method":"PUT","URL":"/execute/a/t?dryRun=All","Code":204,"Header":{}}`
	out := &bytes.Buffer{}
	if err := run([]string{"../../internal/httpapi/openapi.yaml"}, strings.NewReader(in), out); err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(out)
	var operations []operation
	if err := decoder.Decode(&operations); err != nil || len(operations) == 0 {
		t.Fatalf("got operations %v, error %v", operations, err)
	}
	for _, ok := range []bool{false, true, false} {
		var got verdict
		if err := decoder.Decode(&got); err != nil || (got.Violation == "") != ok {
			t.Errorf("got %+v, error %v", got, err)
		}
	}
}
