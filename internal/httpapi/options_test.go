package httpapi

import (
	"strings"
	"testing"
	"time"
)

func TestOptions(t *testing.T) {
	for _, test := range []struct {
		reason string
		change func(*Options)
		want   []string // what the error says; none where the options are good
	}{
		{"the defaults", func(*Options) {}, nil},
		{"all addresses", func(o *Options) { o.BindAddress = ":8000" }, nil},
		{"IPv6", func(o *Options) { o.BindAddress = "[::1]:8000" }, nil},
		{"the smallest and the largest payload", func(o *Options) { o.MaxPayloadBytes = 1 << 20 }, nil},
		{"no port", func(o *Options) { o.BindAddress = "localhost" },
			[]string{"--web-server-bind-address: must be host:port"}},
		{"a port's name", func(o *Options) { o.BindAddress = ":http" },
			[]string{"--web-server-bind-address: must be host:port"}},
		{"no such port", func(o *Options) { o.BindAddress = ":65536" },
			[]string{"--web-server-bind-address: must be host:port"}},
		{"no namespace", func(o *Options) { o.DefaultNamespace = "" },
			[]string{`--default-namespace: "" is not a namespace`}},
		{"no label", func(o *Options) { o.DefaultNamespace = "A.b" },
			[]string{`--default-namespace: "A.b" is not a namespace`}},
		{"no payload at all", func(o *Options) { o.MaxPayloadBytes = 0 },
			[]string{"--max-payload-bytes: must be between 1 and 1048576, got 0"}},
		{"more than the CRD allows", func(o *Options) { o.MaxPayloadBytes = 1<<20 + 1 },
			[]string{"--max-payload-bytes: must be between 1 and 1048576, got 1048577"}},
		{"no requests", func(o *Options) { o.MaxRequestsInFlight = 0 },
			[]string{"--max-requests-in-flight: must be at least 1, got 0"}},
		{"nobody may wait", func(o *Options) { o.MaxWaitingRequests = -1 },
			[]string{"--max-waiting-requests: must be at least 1, got -1"}},
		{"no time to wait", func(o *Options) { o.MaxWait = time.Millisecond },
			[]string{"--max-wait: must be at least 1s, got 1ms"}},
		{"hosts", func(o *Options) { o.AllowedHosts = []string{"a.example.com", "*.b.example.com", "*"} }, nil},
		{"a host with a port", func(o *Options) { o.AllowedHosts = []string{"a.example.com:80"} },
			[]string{`--allowed-hosts: "a.example.com:80" is not a host name`}},
		{"a wildcard in the middle", func(o *Options) { o.AllowedHosts = []string{"a.*.com"} },
			[]string{`--allowed-hosts: "a.*.com" is not a host name`}},
		{"a wildcard without its dot", func(o *Options) { o.AllowedHosts = []string{"*example.com"} },
			[]string{`--allowed-hosts: "*example.com" is not a host name`}},
		{"client certificates over TLS", func(o *Options) {
			o.ClientCAFile, o.CertificateFile, o.KeyFile = "ca.crt",
				"tls.crt", "tls.key"
		}, nil},
		{"client certificates without TLS", func(o *Options) { o.ClientCAFile = "ca.crt" },
			[]string{"--client-ca-file: client certificates come with TLS"}},
		{"all at once", func(o *Options) { *o = Options{} }, []string{"--web-server-bind-address", "--default-namespace",
			"--max-payload-bytes",
			"--max-requests-in-flight", "--max-waiting-requests", "--max-wait"}},
	} {
		options := testOptions()
		test.change(&options)
		err := options.Validate()
		if (err == nil) != (test.want == nil) {
			t.Errorf("%s: err = %v", test.reason, err)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %q", test.reason, err, want)
			}
		}
	}
}
