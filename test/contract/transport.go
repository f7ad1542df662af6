package contract

import (
	"net/http"
	"strings"
)

// Transport checks every answer that it passes on. One that is not as documented is an error of the call.
type Transport struct {
	Contract *Contract

	// Base makes the calls; http.DefaultTransport where it is nil.
	Base http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	response, err := base.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if err := t.Contract.Check(request, response); err != nil {
		_ = response.Body.Close()
		return nil, err
	}
	return response, nil
}

func isStream(response *http.Response) bool {
	return response.StatusCode == http.StatusOK && strings.HasPrefix(response.Header.Get("Content-Type"), "text/")
}
