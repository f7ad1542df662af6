package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
)

// contract is openapi.yaml, and what the suite saw of it. test/contract, a program of its own, judges the answers.
type contract struct {
	// source is the document as it is published.
	source string
	// operations are all calls that are documented, in their order.
	operations []operation

	mutex      sync.Mutex
	encoder    *json.Encoder
	decoder    *json.Decoder
	seen       map[string]bool
	violations []error
}

// operation is one of the calls that are documented.
type operation struct {
	Method, Path string
	// Codes are the status codes that it may be answered with.
	Codes []string
}

// buildContract compiles test/contract into binary.
func buildContract(ctx context.Context, root, binary string) error {
	build := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", binary, ".")
	build.Dir = filepath.Join(root, "test", "contract")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building test/contract: %w\n%s", err, out)
	}
	return nil
}

// startContract starts what buildContract has compiled. The returned function ends it.
func startContract(root, binary string) (*contract, func() error, error) {
	document := filepath.Join(root, "internal", "httpapi", "openapi.yaml")
	source, err := os.ReadFile(document)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the OpenAPI document: %w", err)
	}
	checker := exec.Command(binary, document)
	checker.Stderr = GinkgoWriter
	in, err := checker.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := checker.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := checker.Start(); err != nil {
		return nil, nil, fmt.Errorf("starting test/contract: %w", err)
	}
	stop := func() error { return errors.Join(in.Close(), checker.Wait()) }
	c := &contract{source: string(source), encoder: json.NewEncoder(in), decoder: json.NewDecoder(out),
		seen: map[string]bool{}}
	if err := c.decoder.Decode(&c.operations); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("reading the operations: %w", err), stop())
	}
	return c, stop, nil
}

// check returns what is wrong with an answer, and with its request where that was accepted. It reads the body of the
// answer and puts it back, but for streams, whose bodies it does not look at.
func (c *contract) check(request *http.Request, response *http.Response) error {
	var body []byte
	if !isStream(response) {
		var err error
		body, err = io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			return fmt.Errorf("reading the answer: %w", err)
		}
		response.Body = io.NopCloser(bytes.NewReader(body))
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if err := c.encoder.Encode(map[string]any{
		"Method": request.Method, "URL": request.URL.String(), "RequestHeader": request.Header,
		"Code": response.StatusCode, "Header": response.Header, "Body": body,
	}); err != nil {
		return fmt.Errorf("asking test/contract: %w", err)
	}
	var verdict struct{ Answer, Violation string }
	if err := c.decoder.Decode(&verdict); err != nil {
		return fmt.Errorf("reading the verdict of test/contract: %w", err)
	}
	if verdict.Violation != "" {
		err := errors.New(verdict.Violation)
		c.violations = append(c.violations, err)
		return err
	}
	c.seen[verdict.Answer] = true
	return nil
}

func isStream(response *http.Response) bool {
	return response.StatusCode == http.StatusOK && strings.HasPrefix(response.Header.Get("Content-Type"), "text/")
}

// takeViolations returns all answers that were not as documented since it was called last.
func (c *contract) takeViolations() error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	violations := c.violations
	c.violations = nil
	return errors.Join(violations...)
}

// answers returns the documented answers, each an operation and a status code.
func (c *contract) answers() []string {
	var documented []string
	for _, operation := range c.operations {
		for _, code := range operation.Codes {
			documented = append(documented, operation.Method+" "+operation.Path+" "+code)
		}
	}
	return documented
}

// contractTransport checks every answer that it passes on. One that is not as documented is an error of the call.
type contractTransport struct {
	contract *contract
	base     http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *contractTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.base.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if err := t.contract.check(request, response); err != nil {
		_ = response.Body.Close()
		return nil, err
	}
	return response, nil
}
