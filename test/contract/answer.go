package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
	"github.com/pb33f/libopenapi/orderedmap"
)

// ofHTTP are the headers that belong to HTTP and not to this API: net/http sets them.
var ofHTTP = []string{"Content-Type", "Content-Length", "Date", "Connection", "Transfer-Encoding"}

// checkHeaders finds headers that are not documented. That those are there which are, the validator finds.
func checkHeaders(response *http.Response, documented *v3.Response) error {
	var errs []error
	for name := range response.Header {
		known := slices.Contains(ofHTTP, name)
		for header := range documented.Headers.KeysFromOldest() {
			known = known || strings.EqualFold(header, name)
		}
		if !known {
			errs = append(errs, fmt.Errorf("the header %s is not documented", name))
		}
	}
	return errors.Join(errs...)
}

// bodyOptional marks a documented answer that has a body for some callers only.
const bodyOptional = "x-body-optional"

// isWithoutBody tells whether an answer has no body, and need not have one.
func isWithoutBody(response *http.Response, documented *v3.Response) bool {
	body, err := readBody(response)
	return err == nil && len(body) == 0 && documented.Extensions.GetOrZero(bodyOptional) != nil &&
		response.Header.Get("Content-Type") == ""
}

// checkPresence finds a body where none is documented, and none where one is: the validator passes over both.
func checkPresence(request *http.Request, response *http.Response, documented *v3.Response) error {
	if request.Method == http.MethodHead || isStream(response) {
		return nil
	}
	body, err := readBody(response)
	switch {
	case err != nil:
		return err
	case len(body) > 0 && orderedmap.Len(documented.Content) == 0:
		return errors.New("no body is documented")
	case len(body) == 0 && orderedmap.Len(documented.Content) > 0 && !isWithoutBody(response, documented):
		return errors.New("there is no body")
	}
	return nil
}

// readBody returns the body of an answer and leaves it to be read again.
func readBody(response *http.Response) ([]byte, error) {
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return body, nil
}

// checkProblem finds what is wrong with a problem that the document describes in words only.
func checkProblem(request *http.Request, response *http.Response, status int, reason string) error {
	if response.StatusCode != status {
		return fmt.Errorf("want status code %d", status)
	}
	if got := response.Header.Get("Content-Type"); got != "application/problem+json" {
		return fmt.Errorf("its Content-Type is %q", got)
	}
	if request.Method == http.MethodHead {
		return nil
	}
	body, err := readBody(response)
	if err != nil {
		return err
	}
	var problem struct {
		Status int
		Reason string
	}
	if err := json.Unmarshal(body, &problem); err != nil {
		return fmt.Errorf("the body is no JSON: %w", err)
	}
	if problem.Status != status || problem.Reason != reason {
		return fmt.Errorf("the problem is %d %s, want %d %s", problem.Status, problem.Reason, status, reason)
	}
	return nil
}

func isStream(response *http.Response) bool {
	return response.StatusCode == http.StatusOK && strings.HasPrefix(response.Header.Get("Content-Type"), "text/")
}
