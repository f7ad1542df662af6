package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"
)

// payload is what every execution carries.
const payload = "my test payload"

// putClient executes templates as callers do.
type putClient struct {
	url  string
	http *http.Client
}

func newPutClient(url string) *putClient {
	// The server closes idle connections after 90 s: one that is used again at that moment is answered with EOF.
	transport := &http.Transport{MaxIdleConnsPerHost: 512, IdleConnTimeout: time.Minute}
	return &putClient{url: url, http: &http.Client{Transport: transport, Timeout: time.Minute}}
}

// execute does one PUT.
func (p *putClient) execute(ctx context.Context, namespace string) (done, error) {
	begin := time.Now()
	request, err := http.NewRequestWithContext(
		ctx, http.MethodPut, p.url+"/execute/"+namespace+"/"+templateName, strings.NewReader(payload),
	)
	if err != nil {
		return done{}, err
	}
	response, err := p.http.Do(request)
	if err != nil {
		return done{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return done{}, err
	}
	if response.StatusCode != http.StatusCreated {
		return done{}, fmt.Errorf("%s: %s", response.Status, body)
	}
	return done{answered: time.Since(begin), job: path.Base(response.Header.Get("Location"))}, nil
}
