package faults

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/controlplane"
)

// cluster is what things are done in, and to.
type cluster struct {
	settings

	t        *testing.T
	began    time.Time
	plane    *controlplane.ControlPlane
	admin    client.WithWatch
	replicas []*replica
	ledger   *ledger
	history  *history
}

// newCluster starts all of it, with two replicas that are ready.
func newCluster(t *testing.T, s settings) *cluster {
	t.Helper()
	// The clients here would log every lost connection.
	log.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(dispatcherv1alpha1.AddToScheme(scheme))
	c := &cluster{settings: s, t: t, began: time.Now(), ledger: newLedger(), history: newHistory(scheme)}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	must(t, err)
	c.plane, err = controlplane.Start(root, scheme)
	if c.plane != nil {
		t.Cleanup(func() { must(t, c.plane.Stop()) })
	}
	must(t, err)
	c.admin, err = client.NewWithWatch(c.plane.Config, client.Options{Scheme: scheme})
	must(t, err)
	must(t, c.admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}))
	c.startReplicas()
	c.stopOnInterrupt()
	for _, template := range everything() {
		must(t, c.admin.Create(t.Context(), template))
	}
	c.followHistory()
	c.startKubelet()
	return c
}

func (c *cluster) startReplicas() {
	ctx := c.t.Context()
	identity, err := c.plane.InstallRights(ctx)
	must(c.t, err)
	binary, err := c.plane.BuildManager(ctx)
	must(c.t, err)
	for _, name := range []string{"first", "second"} {
		manager, err := c.plane.NewManager(name, binary, identity.Config, "--leader-elect",
			"--leader-election-namespace="+identity.Namespace)
		must(c.t, err)
		r := &replica{Manager: manager, t: c.t, name: name, ledger: c.ledger}
		c.replicas = append(c.replicas, r)
		c.t.Cleanup(manager.Close)
		c.background(r.supervise)
	}
	for _, r := range c.replicas {
		c.eventually(time.Minute, r.name+" is ready", func() bool { return r.Ready(ctx) })
	}
}

// stopOnInterrupt ends all processes when somebody presses Ctrl-C. Cleanups do not run then.
func (c *cluster) stopOnInterrupt() {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		for _, r := range c.replicas {
			r.kill(time.Hour)
		}
		if err := c.plane.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stopping the control plane:", err)
		}
		os.Exit(130)
	}()
}

// followHistory begins to write down what etcd stores.
func (c *cluster) followHistory() {
	for prefix, record := range map[string]func(event){
		"/registry/" + dispatcherv1alpha1.GroupVersion.Group + "/jobexecutions/" + namespace +
			"/": c.history.recordExecution,
		"/registry/jobs/" + namespace + "/": c.history.recordJob,
	} {
		c.follow(prefix, record)
	}
}

// follow hands all changes of keys with a prefix to record, until the test ends.
func (c *cluster) follow(prefix string, record func(event)) {
	follower := &follower{url: c.plane.EtcdURL(), prefix: prefix, record: record}
	c.background(func(ctx context.Context) {
		if err := follower.run(ctx); err != nil {
			c.t.Errorf("following %s: %v", prefix, err)
		}
	})
}

// background runs do until the test ends. It ends before what was started earlier does.
func (c *cluster) background(do func(ctx context.Context)) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		do(ctx)
	}()
	c.t.Cleanup(func() {
		stop()
		<-done
	})
}

// logf logs with the time since the start.
func (c *cluster) logf(format string, args ...any) {
	c.t.Helper()
	c.t.Logf("%7.2f s  "+format, append([]any{time.Since(c.began).Seconds()}, args...)...)
}

// eventually waits until what is true.
func (c *cluster) eventually(limit time.Duration, what string, isTrue func() bool) {
	c.t.Helper()
	for end := time.Now().Add(limit); !isTrue(); pause(c.t.Context(), 100*time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
