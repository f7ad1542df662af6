package main

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	"dispatcher.ivan.vc/internal/objectcache"
)

// Every flag is listed by --help, and every flag of ours is explained in whole sentences.
func TestHelpExplainsEveryFlag(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--help"}, &out); err != nil {
		t.Fatal(err)
	}
	(&options{}).flagSet().VisitAll(func(f *flag.Flag) {
		if !strings.Contains(out.String(), "\n  -"+f.Name) {
			t.Errorf("--help does not list --%s", f.Name)
		}
		fromLibrary := f.Name == "kubeconfig" || strings.HasPrefix(f.Name, "zap-")
		if !fromLibrary && !strings.HasSuffix(f.Usage, ".") {
			t.Errorf("--%s: the help text %q is not a sentence", f.Name, f.Usage)
		}
	})
}

func TestVersion(t *testing.T) {
	version = "v1.2.3"
	t.Cleanup(func() { version = "" })
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--version"}, &out); err != nil || out.String() != "v1.2.3\n" {
		t.Errorf("printed %q, %v", out.String(), err)
	}
}

// An invalid flag ends the process with an error that names the flag, before any call to the cluster.
func TestWrongFlags(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "missing"))
	for _, test := range []struct{ reason, arg, want string }{
		{"unknown", "--frobnicate", "-frobnicate"},
		{"not a number", "--max-payload-bytes=many", "-max-payload-bytes"},
		{"not a boolean", "--leader-elect=perhaps", "-leader-elect"},
		{"an argument", "manager", `"manager"`},
		{"no render worker", "--render-workers=0", "--render-workers"},
		{"too many render workers", "--render-workers=9", "--render-workers"},
		{"no port", "--webhook-bind-address=localhost", "--webhook-bind-address"},
		{"a ConfigMap without a namespace", "--ca-config-map=dispatcher-ca", "--ca-config-map"},
		{"names of clients without a CA", "--webhook-client-names=api", "--webhook-client-ca-file"},
		{"port 0", "--webhook-bind-address=:0", "--webhook-bind-address"},
		{"no port for metrics", "--metrics-bind-address=localhost", "--metrics-bind-address"},
		{"no port for probes", "--health-probe-bind-address=x:y", "--health-probe-bind-address"},
		{"no port for the HTTP API", "--web-server-bind-address=localhost", "--web-server-bind-address"},
		{"no payload", "--max-payload-bytes=0", "--max-payload-bytes"},
		{"no calls", "--max-requests-in-flight=0", "--max-requests-in-flight"},
		{"no waiting calls", "--max-waiting-requests=0", "--max-waiting-requests"},
		{"no creates", "--max-concurrent-creates=0", "--max-concurrent-creates"},
		{"no time to wait", "--max-wait=1ms", "--max-wait"},
		{"no namespace", "--default-namespace=A", "--default-namespace"},
		{"no host", "--allowed-hosts=a b", "--allowed-hosts"},
		{"client certificates without TLS", "--client-ca-file=ca.crt", "--client-ca-file"},
	} {
		err := run(t.Context(), []string{test.arg}, io.Discard)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: err = %v, want it to name %s", test.reason, err, test.want)
		}
	}
}

// A configuration that cannot be loaded is named.
func TestNoKubeconfig(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{missing, empty} {
		t.Setenv("KUBECONFIG", file)
		if err := run(t.Context(), nil, io.Discard); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("err = %v, want it to name %s", err, file)
		}
	}
}

func TestDefaults(t *testing.T) {
	o, err := parse(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	manager, err := o.manager(runtime.NewScheme(), objectcache.New())
	if err != nil {
		t.Fatal(err)
	}
	if o.http.BindAddress != ":8000" || o.http.DefaultNamespace != "default" ||
		o.http.MaxPayloadBytes != 256<<10 || o.http.LogPayloads {
		t.Errorf("the HTTP API's options are %+v", o.http)
	}
	monitored := o.monitoring()
	if monitored.Metrics.BindAddress != ":8443" || !monitored.Metrics.Secure || monitored.Metrics.HTTP2 {
		t.Error("metrics must be served with TLS, only to authorized callers, and without HTTP/2")
	}
	if monitored.HealthBindAddress != ":8081" {
		t.Errorf("probes on %q", monitored.HealthBindAddress)
	}
	if manager.Metrics.BindAddress != disabled || manager.HealthProbeBindAddress != disabled {
		t.Error("controller-runtime serves probes or metrics, without limits")
	}
	if manager.PprofBindAddress != disabled {
		t.Errorf("the profiler is served on %q", manager.PprofBindAddress)
	}
	if manager.LeaderElection {
		t.Error("the manager elects a leader by itself, and would exit when it loses the Lease")
	}
}

func TestWebhookClientNames(t *testing.T) {
	for _, test := range []struct {
		value string
		want  []string
	}{{"api", []string{"api"}}, {"api, api.local,", []string{"api", "api.local"}}, {" ,", nil}} {
		o, err := parse([]string{"--webhook-client-ca-file=ca.crt", "--webhook-client-names=" + test.value}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := o.webhooks(); err != nil || !slices.Equal(got.ClientNames, test.want) {
			t.Errorf("%q: names %q, %v, want %q", test.value, got.ClientNames, err, test.want)
		}
	}
}

func TestDisabledServers(t *testing.T) {
	o, err := parse([]string{"--metrics-bind-address=0", "--health-probe-bind-address=0"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.manager(runtime.NewScheme(), objectcache.New()); err != nil {
		t.Error(err)
	}
}
