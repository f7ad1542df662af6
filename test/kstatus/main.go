// Command kstatus tells what tools such as Flux and Helm make of Kubernetes objects. It reads objects in JSON from its
// standard input, one after the other, and writes a line for each: InProgress, Failed, Current, Terminating or Unknown.
// It is a program, and a module of its own, so that the product's go.mod is free of the library.
//
// It must not judge by itself: what it writes is the verdict of the library that Flux uses.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	for decoder := json.NewDecoder(in); ; {
		var text json.RawMessage
		if err := decoder.Decode(&text); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading an object: %w", err)
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(text); err != nil {
			return fmt.Errorf("reading an object: %w", err)
		}
		result, err := status.Compute(object)
		if err != nil {
			return fmt.Errorf("computing a status: %w", err)
		}
		if _, err := fmt.Fprintln(out, result.Status); err != nil {
			return fmt.Errorf("writing a status: %w", err)
		}
	}
}
