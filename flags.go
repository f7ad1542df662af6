package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"

	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	ctrlwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"

	"dispatcher.ivan.vc/internal/controller"
	"dispatcher.ivan.vc/internal/httpapi"
)

// leaderElectionID is the name of the Lease that the replicas compete for.
const leaderElectionID = "dispatcher.ivan.vc"

// disabled is the bind address of a server that is not wanted.
const disabled = "0"

// options are the values of the flags.
type options struct {
	http    httpapi.Options
	logging zap.Options

	metricsBindAddress, webhookBindAddress, healthProbeBindAddress, pprofBindAddress string

	webServerCertificate, webhookCertificate, metricsCertificate certificate

	leaderElectionNamespace                              string
	leaderElect, metricsSecure, enableHTTP2, showVersion bool
}

// certificate is where a server finds its certificate and key. The files are watched: a certificate that is replaced is
// used from the next connection on.
type certificate struct {
	path, name, key string
}

func (c *certificate) bind(flags *flag.FlagSet, server, directory string) {
	flags.StringVar(&c.path, server+"-cert-path", "", directory)
	flags.StringVar(&c.name, server+"-cert-name", "tls.crt", "The file name of that certificate.")
	flags.StringVar(&c.key, server+"-cert-key", "tls.key", "The file name of its key.")
}

// parse reads the flags. Asked for help, it prints them to out and returns flag.ErrHelp.
func parse(args []string, out io.Writer) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("dispatcher", flag.ContinueOnError)
	flags.StringVar(&o.http.BindAddress, "web-server-bind-address", ":8000", "The host:port of the HTTP API.")
	o.webServerCertificate.bind(flags, "web-server", "The directory with the certificate of the HTTP API, which is then served by HTTPS.")
	flags.StringVar(&o.http.ClientCAFile, "client-ca-file", "", "The file with the CA certificates that client certificates of HTTP callers have to be signed by. Whoever can sign with these can be any user of any group. Needs --web-server-cert-path.")
	flags.StringVar(&o.http.DefaultNamespace, "default-namespace", "default", "The namespace of HTTP calls that name none.")
	flags.Int64Var(&o.http.MaxPayloadBytes, "max-payload-bytes", httpapi.DefaultMaxPayloadBytes, "The largest payload that the HTTP API accepts, at most 1 MiB.")
	flags.IntVar(&o.http.MaxRequestsInFlight, "max-requests-in-flight", httpapi.DefaultMaxRequestsInFlight, "How many HTTP calls are handled at a time. More are answered with 429. Those that wait are not counted.")
	flags.IntVar(&o.http.MaxWaitingRequests, "max-waiting-requests", httpapi.DefaultMaxWaitingRequests, "How many HTTP calls may wait at a time: for an execution to end, for its events or its log. More are answered with 429.")
	flags.DurationVar(&o.http.MaxWait, "max-wait", httpapi.DefaultMaxWait, "The longest that an HTTP call may wait for an execution to end, like 90s or 5m. Who asks for more waits this long.")
	flags.BoolVar(&o.http.LogPayloads, "log-job-execution-payloads", false, "Log the payloads of HTTP calls. They may hold secrets.")
	flags.StringVar(&o.webhookBindAddress, "webhook-bind-address", ":9443", "The host:port of the admission webhooks.")
	o.webhookCertificate.bind(flags, "webhook", "The directory with the certificate of the webhook server.")
	flags.StringVar(&o.metricsBindAddress, "metrics-bind-address", ":8443", "The host:port of the metrics; 0 turns them off.")
	flags.BoolVar(&o.metricsSecure, "metrics-secure", true, "Serve the metrics by HTTPS, to those who may get the non-resource URL /metrics. Without --metrics-cert-path, the certificate is self-signed.")
	o.metricsCertificate.bind(flags, "metrics", "The directory with the certificate of the metrics server.")
	flags.StringVar(&o.healthProbeBindAddress, "health-probe-bind-address", ":8081", "The host:port of /healthz and /readyz; 0 turns them off.")
	flags.StringVar(&o.pprofBindAddress, "pprof-bind-address", disabled, "The host:port of Go's profiles, for whoever can reach it; 0 turns them off.")
	flags.BoolVar(&o.leaderElect, "leader-elect", false, "Let one of several replicas reconcile. All of them serve HTTP and webhooks.")
	flags.StringVar(&o.leaderElectionNamespace, "leader-election-namespace", "", "The namespace of the leader election's Lease; in a cluster, by default the pod's own.")
	flags.BoolVar(&o.enableHTTP2, "enable-http2", false, "Offer HTTP/2 for webhooks, metrics, and the HTTP API where that has a certificate.")
	flags.BoolVar(&o.showVersion, "version", false, "Print the version and exit.")
	o.logging.BindFlags(flags)
	config.RegisterFlags(flags)

	flags.SetOutput(io.Discard) // An error names its flag. The list of all flags would bury it.
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = fmt.Fprintln(out, "Dispatcher runs stored Kubernetes Jobs on demand. Its flags:")
		flags.SetOutput(out)
		flags.PrintDefaults()
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w (--help lists all flags)", err)
	case flags.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q: all settings are flags", flags.Arg(0))
	}
	o.http.HTTP2 = o.enableHTTP2
	if c := o.webServerCertificate; c.path != "" {
		o.http.CertificateFile, o.http.KeyFile = filepath.Join(c.path, c.name), filepath.Join(c.path, c.key)
	}
	return o, nil
}

// manager returns the manager's options.
func (o *options) manager(scheme *runtime.Scheme) (ctrl.Options, error) {
	host, port, err := splitHostPort(o.webhookBindAddress)
	if err != nil {
		return ctrl.Options{}, fmt.Errorf("--webhook-bind-address: %w", err)
	}
	for name, address := range map[string]string{"metrics": o.metricsBindAddress, "health-probe": o.healthProbeBindAddress, "pprof": o.pprofBindAddress} {
		if _, _, err := splitHostPort(address); err != nil && address != disabled {
			return ctrl.Options{}, fmt.Errorf("--%s-bind-address: %w, or 0", name, err)
		}
	}
	shutdownTimeout := httpapi.ShutdownTimeout + stopMargin
	return ctrl.Options{
		Scheme: scheme,
		Cache:  cache.Options{ByObject: controller.CacheOptions()},
		WebhookServer: ctrlwebhook.NewServer(ctrlwebhook.Options{
			Host:     host,
			Port:     port,
			CertDir:  o.webhookCertificate.path,
			CertName: o.webhookCertificate.name,
			KeyName:  o.webhookCertificate.key,
			TLSOpts:  o.tls(),
		}),
		Metrics:                 o.metrics(),
		HealthProbeBindAddress:  o.healthProbeBindAddress,
		PprofBindAddress:        o.pprofBindAddress,
		LeaderElection:          o.leaderElect,
		LeaderElectionID:        leaderElectionID,
		LeaderElectionNamespace: o.leaderElectionNamespace,
		RenewDeadline:           new(controller.RenewDeadline),
		// The next leader need not wait for the Lease to run out. This is safe as long as the process ends when the
		// manager has stopped, which it does.
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       &shutdownTimeout,
	}, nil
}

func (o *options) metrics() metricsserver.Options {
	metrics := metricsserver.Options{
		BindAddress:   o.metricsBindAddress,
		SecureServing: o.metricsSecure,
		CertDir:       o.metricsCertificate.path,
		CertName:      o.metricsCertificate.name,
		KeyName:       o.metricsCertificate.key,
		TLSOpts:       o.tls(),
	}
	if o.metricsSecure {
		metrics.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	return metrics
}

// tls leaves HTTP/2 out unless it is asked for. Its streams let one client make a server work far more than it sends
// (CVE-2023-44487 and CVE-2023-39325), and neither webhooks nor metrics need it.
func (o *options) tls() []func(*tls.Config) {
	if o.enableHTTP2 {
		return nil
	}
	return []func(*tls.Config){func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }}
}

func splitHostPort(address string) (string, int, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("must be host:port, got %q", address)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return "", 0, fmt.Errorf("must be host:port with a port from 1 to 65535, got %q", address)
	}
	return host, int(port), nil
}
