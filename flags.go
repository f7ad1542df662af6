package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"dispatcher.ivan.vc/internal/cabundle"
	"dispatcher.ivan.vc/internal/controller"
	"dispatcher.ivan.vc/internal/httpapi"
	"dispatcher.ivan.vc/internal/monitoring"
	"dispatcher.ivan.vc/internal/objectcache"
	"dispatcher.ivan.vc/internal/sandbox"
	"dispatcher.ivan.vc/internal/webhook/server"
)

// leaderElectionID is the name of the Lease that the replicas compete for.
const leaderElectionID = "dispatcher.ivan.vc"

// defaultWebhookCertificates is a directory below that for temporary files, the same as controller-runtime's.
const defaultWebhookCertificates = "k8s-webhook-server/serving-certs"

// disabled is the bind address that turns a server off.
const disabled = "0"

// options are the values of the flags.
type options struct {
	http    httpapi.Options
	logging zap.Options

	metricsBindAddress, webhookBindAddress, healthProbeBindAddress, pprofBindAddress string

	webServerCertificate, webhookCertificate, metricsCertificate certificate

	webhookClientCAFile, webhookClientNames, caConfigMap string

	renderWorkers                                        int
	leaderElectionNamespace                              string
	leaderElect, metricsSecure, enableHTTP2, showVersion bool
}

// certificate is the location of a server's certificate and key. The files are watched: a new certificate is used from
// the next connection on.
type certificate struct {
	path, name, key string
}

func (c *certificate) bind(flags *flag.FlagSet, server, directory string) {
	flags.StringVar(&c.path, server+"-cert-path", "", directory)
	flags.StringVar(&c.name, server+"-cert-name", "tls.crt",
		"The name of the certificate file in --"+server+"-cert-path.")
	flags.StringVar(&c.key, server+"-cert-key", "tls.key", "The name of the key file in --"+server+"-cert-path.")
}

// flagSet returns the flags, which write to o.
func (o *options) flagSet() *flag.FlagSet {
	flags := flag.NewFlagSet("dispatcher", flag.ContinueOnError)
	o.bindHTTP(flags)
	o.bindWebhooks(flags)
	o.bindMetrics(flags)
	o.bindProcess(flags)
	o.logging.BindFlags(flags)
	config.RegisterFlags(flags)
	return flags
}

func (o *options) bindHTTP(flags *flag.FlagSet) {
	flags.StringVar(&o.http.BindAddress, "web-server-bind-address", ":8000",
		"The address of the HTTP API, as host:port.")
	o.webServerCertificate.bind(flags, "web-server",
		"The directory with the TLS certificate of the HTTP API. Without it, the HTTP API is served without TLS.")
	flags.StringVar(&o.http.ClientCAFile, "client-ca-file", "",
		"The file with the CA certificates that sign the client certificates of HTTP callers. "+
			"Whoever can sign with one of these CAs can act as any user of any group. Requires --web-server-cert-path.")
	flags.StringVar(&o.http.DefaultNamespace, "default-namespace", "default",
		"The namespace for HTTP calls whose path has no namespace.")
	flags.Int64Var(&o.http.MaxPayloadBytes, "max-payload-bytes", httpapi.DefaultMaxPayloadBytes,
		"The maximum size of a payload that the HTTP API accepts, up to 1 MiB.")
	flags.IntVar(&o.http.MaxRequestsInFlight, "max-requests-in-flight", httpapi.DefaultMaxRequestsInFlight,
		"The maximum number of HTTP calls handled at the same time. Further calls are answered with 429. "+
			"Calls that wait or stream are not counted.")
	flags.IntVar(&o.http.MaxWaitingRequests, "max-waiting-requests", httpapi.DefaultMaxWaitingRequests,
		"The maximum number of HTTP calls that wait for an execution or stream its events or logs at the same time. "+
			"Further calls are answered with 429.")
	flags.IntVar(&o.http.MaxConcurrentCreates, "max-concurrent-creates", httpapi.DefaultMaxConcurrentCreates,
		"The maximum number of JobExecutions that this replica creates at the same time. Further calls wait up to 10s. "+
			"A create that takes longer than 1s makes room for the next one.")
	flags.DurationVar(&o.http.MaxWait, "max-wait", httpapi.DefaultMaxWait,
		"The longest time that an HTTP call may wait for an execution, such as 90s or 5m. "+
			"Longer waits are shortened to this.")
	flags.Func("token-audiences",
		"The audiences for the bearer tokens of HTTP callers, separated by commas. A token must have one of them. "+
			"Without this flag, it must be a token for the Kubernetes API server.",
		func(audiences string) error {
			o.http.TokenAudiences = append(o.http.TokenAudiences, strings.Split(audiences, ",")...)
			return nil
		})
	flags.Func("allowed-hosts",
		"The host names of ingresses for the HTTP API, separated by commas, such as jobs.example.com or *.example.com. "+
			"IP addresses, localhost and the Services in the pod's namespace are always allowed. Requests for other hosts "+
			"are answered with 421. * allows every host and disables the protection against DNS rebinding.",
		func(hosts string) error {
			o.http.AllowedHosts = append(o.http.AllowedHosts, strings.Split(hosts, ",")...)
			return nil
		})
	flags.TextVar(&o.http.SharedAddresses, "shared-source-addresses", httpapi.DefaultSharedAddresses(),
		"Source addresses that many HTTP callers share, such as that of a proxy: a comma-separated list of IP addresses "+
			"and networks. Every other address gets a quarter of --max-requests-in-flight and of --max-waiting-requests, and "+
			"of the connections and the memory.")
	flags.BoolVar(&o.http.LogPayloads, "log-job-execution-payloads", false,
		"Write the payloads of HTTP calls to the log. Payloads may contain secrets.")
}

func (o *options) bindWebhooks(flags *flag.FlagSet) {
	flags.StringVar(&o.webhookBindAddress, "webhook-bind-address", ":9443",
		"The address of the admission webhooks, as host:port.")
	o.webhookCertificate.bind(flags, "webhook", "The directory with the TLS certificate of the admission webhooks. "+
		"The default is "+defaultWebhookCertificates+" in the directory for temporary files.")
	flags.StringVar(&o.webhookClientCAFile, "webhook-client-ca-file", "",
		"The file with the CA certificates that sign the API server's client certificate. With it, the webhooks answer only "+
			"callers with such a certificate. Without it, they answer every caller.")
	flags.StringVar(&o.webhookClientNames, "webhook-client-names", "",
		"The names that the API server's client certificate may have as its common name or DNS name, separated by commas. "+
			"By default, every name is accepted. Requires --webhook-client-ca-file.")
}

func (o *options) bindMetrics(flags *flag.FlagSet) {
	flags.StringVar(&o.metricsBindAddress, "metrics-bind-address", ":8443",
		"The address of the metrics, as host:port. 0 disables them.")
	flags.BoolVar(&o.metricsSecure, "metrics-secure", true,
		"Serve the metrics with TLS, and only to callers that may get the non-resource URL /metrics.")
	o.metricsCertificate.bind(flags, "metrics",
		"The directory with the TLS certificate of the metrics. Without it, the certificate is self-signed.")
}

func (o *options) bindProcess(flags *flag.FlagSet) {
	flags.IntVar(&o.renderWorkers, "render-workers", sandbox.DefaultWorkers,
		"The number of processes that render templates, from 1 to 8. Each of them renders one template at a time and may "+
			"use 128 MiB of memory: 96 MiB for a render, which ends if it needs more, and the rest for the process itself. "+
			"With more processes, increase the memory limit. With 1, a slow template delays all others.")
	flags.StringVar(&o.healthProbeBindAddress, "health-probe-bind-address", ":8081",
		"The address of /healthz and /readyz, as host:port. 0 disables them.")
	flags.StringVar(&o.caConfigMap, "ca-config-map", "",
		"The ConfigMap, as namespace/name, to which the manager copies the CA certificate that its callers need. The CA "+
			"certificate is ca.crt in --web-server-cert-path, or else in --webhook-cert-path. By default, it is not copied.")
	flags.StringVar(&o.pprofBindAddress, "pprof-bind-address", disabled,
		"The address of the Go profiler (pprof), as host:port, such as localhost:6060. It has no access control and no "+
			"limits. 0 disables it.")
	flags.BoolVar(&o.leaderElect, "leader-elect", false,
		"Elect one of several replicas as the leader, which alone runs the controller. "+
			"Every replica serves the HTTP API and the webhooks.")
	flags.StringVar(&o.leaderElectionNamespace, "leader-election-namespace", "",
		"The namespace of the leader election's Lease. In a cluster, the default is the namespace of the pod.")
	flags.BoolVar(&o.enableHTTP2, "enable-http2", false,
		"Offer HTTP/2 on the metrics, and on the HTTP API if it has a TLS certificate.")
	flags.BoolVar(&o.showVersion, "version", false, "Print the version and exit.")
}

// parse reads the flags. For --help, it prints them to out and returns flag.ErrHelp.
func parse(args []string, out io.Writer) (*options, error) {
	o := &options{}
	flags := o.flagSet()
	flags.SetOutput(io.Discard) // The error names the flag. A list of all flags would hide it.
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = fmt.Fprintln(out, "Dispatcher runs stored Kubernetes Jobs on demand.\n\nFlags:")
		flags.SetOutput(out)
		flags.PrintDefaults()
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w (see --help)", err)
	case flags.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q (see --help)", flags.Arg(0))
	}
	o.http.HTTP2 = o.enableHTTP2
	if c := o.webServerCertificate; c.path != "" {
		o.http.CertificateFile, o.http.KeyFile = filepath.Join(c.path, c.name), filepath.Join(c.path, c.key)
	}
	return o, nil
}

// manager returns the manager's options.
func (o *options) manager(scheme *runtime.Scheme, objects *objectcache.Cache) (ctrl.Options, error) {
	webhooks, err := o.webhooks()
	if err != nil {
		return ctrl.Options{}, err
	}
	if _, _, err := o.publishedCA(); err != nil {
		return ctrl.Options{}, err
	}
	for name, address := range map[string]string{
		"metrics": o.metricsBindAddress, "health-probe": o.healthProbeBindAddress, "pprof": o.pprofBindAddress,
	} {
		if err := checkHostPort(address); err != nil && address != disabled {
			return ctrl.Options{}, fmt.Errorf("--%s-bind-address: %w, or 0 to disable it", name, err)
		}
	}
	shutdownTimeout := httpapi.ShutdownTimeout + stopMargin
	return ctrl.Options{
		Scheme:                  scheme,
		Logger:                  controller.EventLog(ctrl.Log),
		Cache:                   cache.Options{ByObject: objects.ByObject()},
		WebhookServer:           server.New(webhooks),
		Metrics:                 metricsserver.Options{BindAddress: disabled}, // monitoring serves both, with limits.
		HealthProbeBindAddress:  disabled,
		PprofBindAddress:        o.pprofBindAddress,
		GracefulShutdownTimeout: &shutdownTimeout,
	}, nil
}

// publishedCA returns the file with the CA certificate for callers and the ConfigMap to copy it to, which is empty if
// it is not to be copied.
func (o *options) publishedCA() (file string, configMap types.NamespacedName, err error) {
	if o.caConfigMap == "" {
		return "", types.NamespacedName{}, nil
	}
	namespace, name, found := strings.Cut(o.caConfigMap, "/")
	if !found || namespace == "" || name == "" || strings.Contains(name, "/") {
		return "", types.NamespacedName{}, fmt.Errorf("--ca-config-map: must be namespace/name, got %q", o.caConfigMap)
	}
	directory := cmp.Or(o.webServerCertificate.path, o.webhookCertificate.path)
	return filepath.Join(directory, cabundle.Key), types.NamespacedName{Namespace: namespace, Name: name}, nil
}

// webhooks returns the options of the webhook server.
func (o *options) webhooks() (server.Options, error) {
	if err := checkHostPort(o.webhookBindAddress); err != nil {
		return server.Options{}, fmt.Errorf("--webhook-bind-address: %w", err)
	}
	directory := cmp.Or(o.webhookCertificate.path, filepath.Join(os.TempDir(), defaultWebhookCertificates))
	options := server.Options{
		BindAddress:     o.webhookBindAddress,
		CertificateFile: filepath.Join(directory, o.webhookCertificate.name),
		KeyFile:         filepath.Join(directory, o.webhookCertificate.key),
		ClientCAFile:    o.webhookClientCAFile,
	}
	for name := range strings.SplitSeq(o.webhookClientNames, ",") {
		if name = strings.TrimSpace(name); name != "" {
			options.ClientNames = append(options.ClientNames, name)
		}
	}
	if len(options.ClientNames) > 0 && options.ClientCAFile == "" {
		return server.Options{}, errors.New("--webhook-client-names requires --webhook-client-ca-file")
	}
	return options, nil
}

// monitoring returns the options of the servers of the health probes and the metrics.
func (o *options) monitoring() monitoring.Options {
	options := monitoring.Options{Metrics: monitoring.MetricsOptions{Secure: o.metricsSecure, HTTP2: o.enableHTTP2}}
	if o.healthProbeBindAddress != disabled {
		options.HealthBindAddress = o.healthProbeBindAddress
	}
	if o.metricsBindAddress != disabled {
		options.Metrics.BindAddress = o.metricsBindAddress
	}
	if c := o.metricsCertificate; c.path != "" {
		options.Metrics.CertificateFile = filepath.Join(c.path, c.name)
		options.Metrics.KeyFile = filepath.Join(c.path, c.key)
	}
	return options
}

// checkHostPort refuses an address that is not host:port.
func checkHostPort(address string) error {
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("must be host:port, got %q", address)
	}
	if port, err := strconv.ParseUint(text, 10, 16); err != nil || port == 0 {
		return fmt.Errorf("must be host:port with a port from 1 to 65535, got %q", address)
	}
	return nil
}
