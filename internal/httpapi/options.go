package httpapi

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"dispatcher.ivan.vc/internal/httpapi/budget"
)

// Options of the HTTP API, from the flags of the same meaning.
type Options struct {
	// BindAddress is the host:port to listen on; without a host, on all addresses.
	BindAddress string

	// DefaultNamespace is the namespace of a call that names none.
	DefaultNamespace string

	// MaxPayloadBytes is the largest payload that is accepted, at most 1 MiB.
	MaxPayloadBytes int64

	// MaxRequestsInFlight is how many requests are handled at a time, those that wait not counted.
	MaxRequestsInFlight int

	// MaxWaitingRequests is how many requests may wait at a time: long polls and streams.
	MaxWaitingRequests int

	// MaxConcurrentCreates is how many executions are being stored at a time.
	MaxConcurrentCreates int

	// SharedAddresses are source addresses that many callers share, which may have more than a share of the places.
	SharedAddresses budget.Addresses

	// MaxWait is the longest that a caller may ask to wait. What asks for more waits this long.
	MaxWait time.Duration

	// CertificateFile and KeyFile are what TLS is served with, reloaded when they change. Without them it is plain HTTP.
	CertificateFile, KeyFile string

	// ClientCAFile has the CA certificates that client certificates have to be signed by, in PEM, reloaded when it
	// changes. Without it none are taken.
	ClientCAFile string

	// TokenAudiences are those of which a bearer token must have one. Without any, it must be one for the API server.
	TokenAudiences []string

	// AllowedHosts are host names that lead to this server, besides those that newHosts knows. *.DOMAIN allows all names
	// below a domain, and * alone all names.
	AllowedHosts []string

	// HTTP2 offers HTTP/2 where TLS is on.
	HTTP2 bool

	// LogPayloads adds the payload to the access log. Payloads may hold secrets.
	LogPayloads bool
}

// Validate reports every option that cannot be used, by the name of its flag. It reads no files.
func (o Options) Validate() error {
	var errs []error
	if err := validateBindAddress(o.BindAddress); err != nil {
		errs = append(errs, fmt.Errorf("--web-server-bind-address: %w", err))
	}
	if rules := validation.IsDNS1123Label(o.DefaultNamespace); len(rules) > 0 {
		errs = append(
			errs,
			fmt.Errorf("--default-namespace: %q is not a namespace: %s", o.DefaultNamespace, strings.Join(rules, "; ")),
		)
	}
	if o.MaxPayloadBytes < 1 || o.MaxPayloadBytes > largestMaxPayloadBytes {
		errs = append(
			errs,
			fmt.Errorf("--max-payload-bytes: must be between 1 and %d, got %d", largestMaxPayloadBytes, o.MaxPayloadBytes),
		)
	}
	atLeastOne := map[string]int{
		"max-requests-in-flight": o.MaxRequestsInFlight,
		"max-waiting-requests":   o.MaxWaitingRequests,
		"max-concurrent-creates": o.MaxConcurrentCreates,
	}
	for name, value := range atLeastOne {
		if value < 1 {
			errs = append(errs, fmt.Errorf("--%s: must be at least 1, got %d", name, value))
		}
	}
	if o.MaxWait < time.Second {
		errs = append(errs, fmt.Errorf("--max-wait: must be at least 1s, got %s", o.MaxWait))
	}
	for _, host := range o.AllowedHosts {
		if rules := validateHost(host); len(rules) > 0 {
			errs = append(errs, fmt.Errorf("--allowed-hosts: %q is not a host name: %s", host, strings.Join(rules, "; ")))
		}
	}
	if o.ClientCAFile != "" && !o.tls() {
		errs = append(
			errs,
			errors.New("--client-ca-file: client certificates come with TLS, which needs --web-server-cert-path"),
		)
	}
	return errors.Join(errs...)
}

func (o Options) tls() bool {
	return o.CertificateFile != ""
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

func validateHost(host string) []string {
	name := strings.TrimPrefix(host, "*.")
	if host == anyHost {
		return nil
	}
	return validation.IsDNS1123Subdomain(strings.ToLower(name))
}
