package main

import (
	"bytes"
	"crypto/tls"
	"io"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
)

func TestHelpNamesEveryFlag(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--help"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"metrics-bind-address", "health-probe-bind-address", "leader-elect", "leader-election-namespace", "metrics-secure",
		"enable-http2", "web-server-bind-address", "default-namespace", "log-job-execution-payloads", "max-payload-bytes",
		"max-requests-in-flight", "web-server-cert-path", "web-server-cert-name", "web-server-cert-key", "client-ca-file", "max-waiting-requests", "max-wait",
		"webhook-cert-path", "webhook-cert-name", "webhook-cert-key", "metrics-cert-path", "metrics-cert-name", "metrics-cert-key",
		"webhook-bind-address", "pprof-bind-address", "kubeconfig", "version", "zap-log-level",
	} {
		if !strings.Contains(out.String(), "\n  -"+name) {
			t.Errorf("--help does not name --%s", name)
		}
	}
}

func TestVersion(t *testing.T) {
	version = "v1.2.3"
	t.Cleanup(func() { version = "" })
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--version"}, &out); err != nil || out.String() != "v1.2.3\n" {
		t.Errorf("printed %q, %v", out.String(), err)
	}
}

// A flag that cannot be used ends the process with an error that names it, before the cluster is asked for anything.
func TestWrongFlags(t *testing.T) {
	for _, test := range []struct{ reason, arg, want string }{
		{"unknown", "--frobnicate", "-frobnicate"},
		{"not a number", "--max-payload-bytes=many", "-max-payload-bytes"},
		{"not a boolean", "--leader-elect=perhaps", "-leader-elect"},
		{"no flag at all", "manager", `"manager"`},
		{"no port", "--webhook-bind-address=localhost", "--webhook-bind-address"},
		{"a port that nobody could register", "--webhook-bind-address=:0", "--webhook-bind-address"},
		{"no port for metrics", "--metrics-bind-address=localhost", "--metrics-bind-address"},
		{"no port for probes", "--health-probe-bind-address=x:y", "--health-probe-bind-address"},
	} {
		err := run(t.Context(), []string{test.arg}, io.Discard)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: err = %v, want it to name %s", test.reason, err, test.want)
		}
	}
}

func TestDefaults(t *testing.T) {
	o, err := parse(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	manager, err := o.manager(runtime.NewScheme())
	if err != nil {
		t.Fatal(err)
	}
	if o.http.BindAddress != ":8000" || o.http.DefaultNamespace != "default" || o.http.MaxPayloadBytes != 256<<10 || o.http.LogPayloads {
		t.Errorf("the HTTP API's options are %+v", o.http)
	}
	if manager.Metrics.BindAddress != ":8443" || !manager.Metrics.SecureServing || manager.Metrics.FilterProvider == nil {
		t.Error("metrics must be served by HTTPS, to those who may read them")
	}
	if manager.HealthProbeBindAddress != ":8081" || manager.LeaderElection || manager.LeaderElectionID != leaderElectionID {
		t.Errorf("probes on %q, leader election %t as %q", manager.HealthProbeBindAddress, manager.LeaderElection, manager.LeaderElectionID)
	}
}

func TestServersCanBeTurnedOff(t *testing.T) {
	o, err := parse([]string{"--metrics-bind-address=0", "--health-probe-bind-address=0"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.manager(runtime.NewScheme()); err != nil {
		t.Error(err)
	}
}

func TestHTTP2IsOffUnlessAskedFor(t *testing.T) {
	for arg, want := range map[string]bool{"--enable-http2=false": false, "--enable-http2": true} {
		o, err := parse([]string{arg}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		config := &tls.Config{NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12}
		for _, change := range o.tls() {
			change(config)
		}
		if got := slices.Contains(config.NextProtos, "h2"); got != want {
			t.Errorf("%s: HTTP/2 offered: %t", arg, got)
		}
	}
}
