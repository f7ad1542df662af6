// Command contract holds the HTTP API to its own description, internal/httpapi/openapi.yaml: every answer has to be one
// that the document knows, in its status code, its headers and its body, to the last property. The integration suite
// starts it and writes each exchange of a request and an answer to its standard input. It is a program, and a module of
// its own, so that the product's go.mod is free of the libraries that read OpenAPI.
//
// It must not be lenient: it refuses what it does not know, so that the document and the manager cannot drift apart.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// exchange is a request and its answer, as the suite sends them.
type exchange struct {
	Method, URL           string
	RequestHeader, Header http.Header
	Code                  int
	// Body is empty for streams: they are not looked at.
	Body []byte
}

// verdict is what the suite gets for an exchange.
type verdict struct {
	// Answer is the documented answer that this was, as in operation. It is empty for what openapi.yaml leaves out.
	Answer string
	// Violation says what is not as documented. It is empty where all is.
	Violation string
}

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run writes the operations of the document, and then a verdict for each exchange that it reads, until there are no
// more.
func run(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("usage: contract FILE, an OpenAPI document")
	}
	contract, err := load(args[0])
	if err != nil {
		return err
	}
	encoder, decoder := json.NewEncoder(out), json.NewDecoder(in)
	if err := encoder.Encode(contract.operations()); err != nil {
		return fmt.Errorf("writing the operations: %w", err)
	}
	for {
		var seen exchange
		if err := decoder.Decode(&seen); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading an exchange: %w", err)
		}
		if err := encoder.Encode(contract.judge(seen)); err != nil {
			return fmt.Errorf("writing a verdict: %w", err)
		}
	}
}

func (c *contract) judge(seen exchange) verdict {
	request, err := http.NewRequest(seen.Method, seen.URL, http.NoBody)
	if err != nil {
		return verdict{Violation: err.Error()}
	}
	if seen.RequestHeader != nil {
		request.Header = seen.RequestHeader
	}
	response := &http.Response{
		StatusCode: seen.Code,
		Header:     seen.Header,
		Request:    request,
		Body:       io.NopCloser(strings.NewReader(string(seen.Body))),
	}
	answer, err := c.check(request, response)
	if err != nil {
		return verdict{
			Violation: fmt.Sprintf(
				"%s %s, answered %d, is not what openapi.yaml says: %v", seen.Method, request.URL.RequestURI(), seen.Code, err,
			),
		}
	}
	return verdict{Answer: answer}
}
