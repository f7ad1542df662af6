package controlplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// BuildManager compiles the manager and returns the path of its binary, which lasts as long as the control plane.
func (c *ControlPlane) BuildManager(ctx context.Context) (string, error) {
	binary := filepath.Join(c.directory, "manager")
	return binary, BuildManager(ctx, c.Root, binary)
}

// BuildManager compiles the manager of the repository at root into binary, for several control planes to run.
func BuildManager(ctx context.Context, root, binary string) error {
	// Without what only debuggers read, as in a release: linking takes half the time.
	build := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", binary, ".")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the manager: %w\n%s", err, out)
	}
	return nil
}

// Manager is one replica of Dispatcher: its addresses and its proxy stay the same when its process is killed and
// started again.
type Manager struct {
	// Proxy is between this replica and the API server. A direct manager has none.
	Proxy *Proxy
	// URL is the base of the HTTP API.
	URL string
	// Output is what all its processes printed.
	Output *Output

	plane                    *ControlPlane
	binary                   string
	args                     []string
	webhook, health, metrics string
	// process may be killed by a fault while a suite waits to start the next.
	process atomic.Pointer[Process]
	// extra are the flags that the process was started with beside args.
	extra []string
}

// NewManager prepares a replica that runs binary with the rights of config's user. It adds args to the flags.
func (c *ControlPlane) NewManager(name, binary string, config *rest.Config, args ...string) (*Manager, error) {
	proxy, err := NewProxy(config)
	if err != nil {
		return nil, err
	}
	m, err := c.newManager(name, binary, proxy.cluster(), &clientcmdapi.AuthInfo{}, args)
	if err != nil {
		proxy.Close()
		return nil, err
	}
	m.Proxy = proxy
	return m, nil
}

// NewDirectManager prepares a replica without a Proxy. What measures uses it, since a Proxy costs time and remembers
// every request.
func (c *ControlPlane) NewDirectManager(name, binary string, config *rest.Config, args ...string) (*Manager, error) {
	return c.newManager(name, binary,
		&clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData},
		&clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}, args)
}

func (c *ControlPlane) newManager(
	name, binary string, cluster *clientcmdapi.Cluster, user *clientcmdapi.AuthInfo, args []string,
) (*Manager, error) {
	kubeconfig := filepath.Join(c.directory, name+".kubeconfig")
	if err := clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"apiserver": cluster},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"manager": user},
		Contexts:       map[string]*clientcmdapi.Context{"manager": {Cluster: "apiserver", AuthInfo: "manager"}},
		CurrentContext: "manager",
	}, kubeconfig); err != nil {
		return nil, fmt.Errorf("writing the manager's kubeconfig: %w", err)
	}
	addresses, err := freeAddresses(4)
	if err != nil {
		return nil, err
	}
	m := &Manager{
		URL: "http://" + addresses[0], Output: &Output{},
		plane: c, binary: binary, webhook: addresses[1], health: addresses[2], metrics: addresses[3],
	}
	m.args = append([]string{
		"--kubeconfig=" + kubeconfig,
		"--web-server-bind-address=" + addresses[0],
		"--webhook-bind-address=" + m.webhook,
		"--webhook-cert-path=" + c.CertificateDirectory(),
		"--health-probe-bind-address=" + m.health,
		"--metrics-bind-address=" + m.metrics,
		"--metrics-secure=false",
	}, args...)
	return m, nil
}

// Start starts the process and returns when it is ready, which it must be within a minute. From then on it is a backend
// of the webhooks.
func (m *Manager) Start(ctx context.Context, args ...string) error {
	if err := m.StartUnready(args...); err != nil {
		return err
	}
	err := wait.PollUntilContextTimeout(
		ctx,
		100*time.Millisecond,
		time.Minute,
		true,
		func(ctx context.Context) (bool, error) {
			if !m.Running() {
				return false, fmt.Errorf("the manager ended with code %d", m.process.Load().ExitCode())
			}
			return m.Ready(ctx), nil
		},
	)
	if err != nil {
		return fmt.Errorf("waiting until the manager is ready: %w\n%s", err, m.Output.Tail())
	}
	m.plane.Webhooks.Add(m.webhook)
	return nil
}

// StartUnready starts the process and does not wait. It is no backend of the webhooks until Start was called.
func (m *Manager) StartUnready(args ...string) error {
	process, err := startProcess(m.Output, nil, m.binary, slices.Concat(m.args, args)...)
	if err != nil {
		return err
	}
	m.process.Store(process)
	m.extra = args
	return nil
}

// RunsWith is true while there is a process that was started with just these flags, beside those of NewManager.
func (m *Manager) RunsWith(args ...string) bool { return m.Running() && slices.Equal(m.extra, args) }

// Ready asks /readyz.
func (m *Manager) Ready(ctx context.Context) bool { return m.probe(ctx, "readyz") }

// Alive asks /healthz.
func (m *Manager) Alive(ctx context.Context) bool { return m.probe(ctx, "healthz") }

// Running is true while there is a process.
func (m *Manager) Running() bool {
	process := m.process.Load()
	if process == nil {
		return false
	}
	select {
	case <-process.Done():
		return false
	default:
		return true
	}
}

// Kill ends the process without warning, and returns when it is gone.
func (m *Manager) Kill() {
	m.plane.Webhooks.Remove(m.webhook)
	if process := m.process.Load(); process != nil {
		process.Kill()
	}
}

// Terminate asks the process to end, as the kubelet does; Process tells when and how it did. As in a cluster, no new
// connection for webhooks is sent to it.
func (m *Manager) Terminate() *Process {
	m.plane.Webhooks.Remove(m.webhook)
	process := m.process.Load()
	process.Terminate()
	return process
}

// Pause stops the process where it is, without its knowledge, until Resume: as a machine does that hangs, or a virtual
// one that is moved. Its connections stay open and nobody answers.
func (m *Manager) Pause() { m.process.Load().signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (m *Manager) Resume() { m.process.Load().signal(syscall.SIGCONT) }

// Close ends the process and closes the proxy.
func (m *Manager) Close() {
	m.Kill()
	if m.Proxy != nil {
		m.Proxy.Close()
	}
}

// PID is the id of the process that was started last.
func (m *Manager) PID() int { return m.process.Load().command.Process.Pid }

// WebhookAddress is where this replica serves its webhooks.
func (m *Manager) WebhookAddress() string { return m.webhook }

// HealthAddress is where this replica answers probes.
func (m *Manager) HealthAddress() string { return m.health }

// MetricsAddress is where this replica serves its metrics.
func (m *Manager) MetricsAddress() string { return m.metrics }

func (m *Manager) probe(ctx context.Context, path string) bool {
	_, err := get(ctx, http.DefaultClient, "http://"+m.health+"/"+path)
	return err == nil
}

func get(ctx context.Context, client *http.Client, url string) (body string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	var content strings.Builder
	if _, err := io.Copy(&content, response.Body); err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", response.Status, content.String())
	}
	return content.String(), nil
}

// freeAddresses returns addresses on 127.0.0.1 that nobody listened at a moment ago.
func freeAddresses(count int) (addresses []string, err error) {
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("looking for a free port: %w", err)
		}
		// Kept until all are found, or the same could come twice.
		defer func() { err = errors.Join(err, listener.Close()) }()
		addresses = append(addresses, listener.Addr().String())
	}
	return addresses, nil
}
