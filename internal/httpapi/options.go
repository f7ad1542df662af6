package httpapi

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Options of the HTTP API, from the flags of the same meaning.
type Options struct {
	// BindAddress is the host:port to listen on; without a host, on all addresses.
	BindAddress string

	// DefaultNamespace is the namespace of a call that names none.
	DefaultNamespace string

	// MaxPayloadBytes is the largest payload that is accepted, at most 1 MiB.
	MaxPayloadBytes int64

	// LogPayloads adds the payload to the access log. Payloads may hold secrets.
	LogPayloads bool
}

// validate reports every option that cannot be used, by the name of its flag.
func (o Options) validate() error {
	var errs []error
	if err := validateBindAddress(o.BindAddress); err != nil {
		errs = append(errs, fmt.Errorf("--web-server-bind-address: %w", err))
	}
	if rules := validation.IsDNS1123Label(o.DefaultNamespace); len(rules) > 0 {
		errs = append(errs, fmt.Errorf("--default-namespace: %q is not a namespace: %s", o.DefaultNamespace, strings.Join(rules, "; ")))
	}
	if o.MaxPayloadBytes < 1 || o.MaxPayloadBytes > largestMaxPayloadBytes {
		errs = append(errs, fmt.Errorf("--max-payload-bytes: must be between 1 and %d, got %d", largestMaxPayloadBytes, o.MaxPayloadBytes))
	}
	return errors.Join(errs...)
}

func validateBindAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("must be host:port: %w", err)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("must be host:port with a port from 0 to 65535, got %q", address)
	}
	return nil
}
