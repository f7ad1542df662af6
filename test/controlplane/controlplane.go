package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const (
	jobController = "job-controller"

	// gogc is the variable that says how much a Go program may allocate between two garbage collections.
	gogc = "GOGC"
)

// controllers are those that the life of a Job touches, and those that quotas and aggregated roles need.
const controllers = jobController +
	",ttl-after-finished-controller,garbage-collector-controller,namespace-controller,serviceaccount-controller," +
	"resourcequota-controller,clusterrole-aggregation-controller"

// ControlPlane is a running Kubernetes without nodes.
type ControlPlane struct {
	// Config is that of an administrator, without client-side rate limits.
	Config *rest.Config
	// Kubeconfig is a file with the same access, for kubectl.
	Kubeconfig string
	// Webhooks is where the API server sends admission requests.
	Webhooks *Forwarder
	// APIServer and Etcd can be stopped and started again.
	APIServer, Etcd *Server
	// Root is the root of the repository.
	Root string

	environment *envtest.Environment
	controllers string
	// webhookClient says that the API server shows webhooks a client certificate.
	webhookClient bool
	// gogc is the variable GOGC for the processes of Kubernetes. The managers under test do not get it.
	gogc      string
	manager   *Process
	output    *Output
	directory string
}

// Option changes what Start starts.
type Option func(*ControlPlane)

// WithoutJobController leaves Jobs as they were created: no pods are made, and nobody writes their status.
func WithoutJobController() Option {
	return func(c *ControlPlane) { c.controllers = strings.TrimPrefix(c.controllers, jobController+",") }
}

// WithRareCollections lets etcd, the API server and kube-controller-manager take more memory, for less time of the CPU:
// the API server spends a quarter of it on garbage collection otherwise. A suite that measures them must not use it.
func WithRareCollections() Option {
	return func(c *ControlPlane) { c.gogc = "400" }
}

// Start starts a control plane with the CRD and webhook files of the repository at root. The caller must call Stop,
// also after an error, if the control plane is not nil.
func Start(root string, scheme *runtime.Scheme, options ...Option) (*ControlPlane, error) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return nil, errors.New(
			"KUBEBUILDER_ASSETS is not set: it names the folder with etcd, kube-apiserver, kube-controller-manager " +
				"and kubectl; `make test` finds or builds them and sets it",
		)
	}
	directory, err := os.MkdirTemp("", "dispatcher-test-")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	c := &ControlPlane{
		Root:        root,
		directory:   directory,
		output:      &Output{},
		controllers: controllers,
		environment: &envtest.Environment{
			Scheme:                scheme,
			CRDDirectoryPaths:     []string{filepath.Join(root, "config", "crd", "bases")},
			ErrorIfCRDPathMissing: true,
			WebhookInstallOptions: envtest.WebhookInstallOptions{Paths: []string{filepath.Join(root, "config",
				"webhook")}},
		},
	}
	for _, option := range options {
		option(c)
	}
	// Some distributions enforce this: who sets blockOwnerDeletion needs the right to update the owner's finalizers.
	c.environment.ControlPlane.GetAPIServer().Configure().
		Append("enable-admission-plugins", "OwnerReferencesPermissionEnforcement")
	if c.webhookClient {
		if err := c.configureWebhookClient(); err != nil {
			return c, err
		}
	}
	config, err := c.startServers()
	if err != nil {
		return c, fmt.Errorf("starting the API server: %w", err)
	}
	c.Config = rest.CopyConfig(config)
	c.Config.QPS = -1
	if c.Kubeconfig, err = c.kubeconfig("admin", c.environment.KubeConfig); err != nil {
		return c, err
	}
	if err := c.adoptServers(); err != nil {
		return c, err
	}
	webhooks := &c.environment.WebhookInstallOptions
	if c.Webhooks, err = NewForwarder(
		fmt.Sprintf("%s:%d", webhooks.LocalServingHost, webhooks.LocalServingPort),
	); err != nil {
		return c, err
	}
	return c, c.startControllers()
}

// Stop ends every process and removes every file of the control plane.
func (c *ControlPlane) Stop() error {
	if c.manager != nil {
		c.manager.Kill()
	}
	if c.Webhooks != nil {
		c.Webhooks.Close()
	}
	// Those that were started again are unknown to envtest.
	var errs []error
	for _, server := range []*Server{c.APIServer, c.Etcd} {
		if server != nil {
			errs = append(errs, server.Kill())
		}
	}
	return errors.Join(append(errs, c.environment.Stop(), os.RemoveAll(c.directory))...)
}

// startServers starts etcd and the API server, which get this process's variables.
func (c *ControlPlane) startServers() (*rest.Config, error) {
	if c.gogc != "" {
		before, had := os.LookupEnv(gogc)
		if err := os.Setenv(gogc, c.gogc); err != nil {
			return nil, err
		}
		defer func() {
			_ = os.Unsetenv(gogc)
			if had {
				_ = os.Setenv(gogc, before)
			}
		}()
	}
	return c.environment.Start()
}

// EtcdURL is where etcd serves its clients, by gRPC and by HTTP, without credentials.
func (c *ControlPlane) EtcdURL() string { return c.environment.ControlPlane.Etcd.URL.String() }

func (c *ControlPlane) adoptServers() error {
	admin, err := rest.HTTPClientFor(c.Config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	answers := func(client *http.Client, url string) func(context.Context) bool {
		return func(ctx context.Context) bool {
			_, err := get(ctx, client, url)
			return err == nil
		}
	}
	servers := &c.environment.ControlPlane
	if c.Etcd, err = adopt(
		"etcd", servers.Etcd.DataDir, c.output, c.variables(), answers(http.DefaultClient, c.EtcdURL()+"/health"),
	); err != nil {
		return err
	}
	c.APIServer, err = adopt(
		"kube-apiserver",
		servers.APIServer.CertDir,
		c.output,
		c.variables(),
		answers(admin, strings.TrimSuffix(c.Config.Host, "/")+"/readyz"),
	)
	return err
}

// User returns the configuration of a user that need not exist, without client-side rate limits.
func (c *ControlPlane) User(name string, groups ...string) (*rest.Config, error) {
	user, err := c.environment.AddUser(envtest.User{Name: name, Groups: groups}, &rest.Config{QPS: -1})
	if err != nil {
		return nil, fmt.Errorf("adding user %s: %w", name, err)
	}
	return user.Config(), nil
}

// CertificateDirectory holds the serving certificate of the webhooks, tls.crt and tls.key. A manager reloads them when
// they change.
func (c *ControlPlane) CertificateDirectory() string {
	return c.environment.WebhookInstallOptions.LocalServingCertDir
}

// ClientCAFile has the authority that signs the client certificates of users.
func (c *ControlPlane) ClientCAFile() string {
	return filepath.Join(c.environment.ControlPlane.APIServer.CertDir, "client-cert-auth-ca.crt")
}

func (c *ControlPlane) startControllers() error {
	user, err := c.environment.AddUser(
		envtest.User{Name: "kube-controller-manager", Groups: []string{"system:masters"}}, nil,
	)
	if err != nil {
		return fmt.Errorf("adding a user for kube-controller-manager: %w", err)
	}
	content, err := user.KubeConfig()
	if err != nil {
		return fmt.Errorf("writing a kubeconfig for kube-controller-manager: %w", err)
	}
	kubeconfig, err := c.kubeconfig("kube-controller-manager", content)
	if err != nil {
		return err
	}
	c.manager, err = startProcess(c.output, c.variables(),
		filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kube-controller-manager"),
		"--kubeconfig="+kubeconfig, "--bind-address=127.0.0.1", "--secure-port=0", "--leader-elect=false",
		"--service-account-private-key-file="+filepath.Join(c.environment.ControlPlane.APIServer.CertDir,
			"sa-signer.key"),
		"--kube-api-qps=1000", "--kube-api-burst=2000", "--concurrent-job-syncs=20", "--concurrent-gc-syncs=20",
		"--controllers="+c.controllers)
	return err
}

// variables are those of the processes of Kubernetes.
func (c *ControlPlane) variables() []string {
	if c.gogc == "" {
		return nil
	}
	return append(os.Environ(), gogc+"="+c.gogc)
}

func (c *ControlPlane) kubeconfig(name string, content []byte) (string, error) {
	path := filepath.Join(c.directory, name+".kubeconfig")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return "", fmt.Errorf("writing the kubeconfig of %s: %w", name, err)
	}
	return path, nil
}
