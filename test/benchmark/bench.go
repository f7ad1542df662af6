package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/controlplane"
)

// steadyAfter is when the manager works as it always does: in the first half minute of a leader it looks at each
// execution past the cache.
const steadyAfter = 35 * time.Second

// bench is what all turns share.
type bench struct {
	settings
	plane   *controlplane.ControlPlane
	manager *controlplane.Manager
	started time.Time // when the manager started

	admin     client.Client
	apiServer *apiServer
	jobs      *jobWatch
	raw       *rawClient
	put       *putClient
	turns     int
}

// newBench starts everything. The caller must call close, also after an error, if the bench is not nil.
func newBench(ctx context.Context, s settings) (*bench, error) {
	root, err := filepath.Abs(s.root)
	if err != nil {
		return nil, fmt.Errorf("finding the repository: %w", err)
	}
	scheme := runtime.NewScheme()
	err = errors.Join(
		clientgoscheme.AddToScheme(scheme), apiextensionsv1.AddToScheme(scheme), dispatcherv1alpha1.AddToScheme(scheme),
	)
	if err != nil {
		return nil, fmt.Errorf("building the scheme: %w", err)
	}
	progress("starting the control plane")
	var options []controlplane.Option
	if s.inert {
		options = append(options, controlplane.WithoutJobController())
	}
	plane, err := controlplane.Start(root, scheme, options...)
	if plane == nil {
		return nil, err
	}
	b := &bench{settings: s, plane: plane}
	if err != nil {
		return b, err
	}
	if b.admin, err = client.New(plane.Config, client.Options{Scheme: scheme}); err != nil {
		return b, fmt.Errorf("making a client: %w", err)
	}
	if b.apiServer, err = newAPIServer(plane.Config); err != nil {
		return b, err
	}
	if b.jobs, err = watchJobs(ctx, plane.Config, s.inert); err != nil {
		return b, err
	}
	return b, b.startContenders(ctx)
}

func (b *bench) close() {
	if b.jobs != nil {
		b.jobs.stop()
	}
	if b.manager != nil {
		b.manager.Close()
	}
	if err := b.plane.Stop(); err != nil {
		progress("stopping the control plane: %v", err)
	}
}

// startContenders gives each contender what it needs. Both are service accounts, as they are in a cluster: priority and
// fairness treats them alike. The manager has the rights of config/default, which also lets anonymous callers execute.
func (b *bench) startContenders(ctx context.Context) error {
	const raw = "system:serviceaccount:benchmark:raw"
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "benchmark"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: raw}},
	}
	if err := b.admin.Create(ctx, binding); err != nil {
		return fmt.Errorf("giving the raw client rights: %w", err)
	}
	rawUser, err := b.plane.User(raw, "system:serviceaccounts", "system:serviceaccounts:benchmark")
	if err != nil {
		return err
	}
	if b.raw, err = newRawClient(b.plane, rawUser); err != nil {
		return err
	}
	progress("building and starting the manager")
	binary, err := b.plane.BuildManager(ctx)
	if err != nil {
		return err
	}
	identity, err := b.plane.InstallRights(ctx)
	if err != nil {
		return err
	}
	if b.manager, err = b.plane.NewDirectManager("manager", binary, identity.Config, b.managerFlags()...); err != nil {
		return err
	}
	b.put = newPutClient(b.manager.URL)
	return b.startManager(ctx)
}

func (b *bench) startManager(ctx context.Context) error {
	if err := b.manager.Start(ctx); err != nil {
		return err
	}
	b.started = time.Now()
	return b.plane.SendWebhooksTo(ctx, b.manager)
}

func (b *bench) managerFlags() []string {
	if b.profiles == "" {
		return b.settings.manager
	}
	return append([]string{"--pprof-bind-address=" + pprofAddress}, b.settings.manager...)
}

// newNamespace makes the namespace of one turn, with the sample's template in it.
func (b *bench) newNamespace(ctx context.Context) (*dispatcherv1alpha1.JobTemplate, error) {
	b.turns++
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("turn-%d", b.turns)}}
	if err := b.admin.Create(ctx, namespace); err != nil {
		return nil, fmt.Errorf("making a namespace: %w", err)
	}
	content, err := os.ReadFile(filepath.Join(b.plane.Root, "config", "samples", "jobtemplate.yaml"))
	if err != nil {
		return nil, fmt.Errorf("reading the sample: %w", err)
	}
	template := &dispatcherv1alpha1.JobTemplate{}
	if err := yaml.UnmarshalStrict(content, template); err != nil {
		return nil, fmt.Errorf("parsing the sample: %w", err)
	}
	template.Namespace = namespace.Name
	if err := b.admin.Create(ctx, template); err != nil {
		return nil, fmt.Errorf("storing the sample: %w", err)
	}
	return template, nil
}

// warmUp lets every contender work unmeasured, until the manager is past its first half minute.
func (b *bench) warmUp(ctx context.Context) error {
	progress("warming up")
	for _, c := range b.contenders() {
		if _, err := b.runTurn(ctx, c, 32, 2*time.Second); err != nil {
			return err
		}
	}
	select {
	case <-time.After(time.Until(b.started.Add(steadyAfter))):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// rename replaces the prefix of our keys, so that the manager does not take the raw client's objects for its own.
func rename(keys map[string]string) map[string]string {
	renamed := make(map[string]string, len(keys))
	for key, value := range keys {
		renamed[strings.Replace(key, dispatcherv1alpha1.GroupVersion.Group, rawGroupVersion.Group, 1)] = value
	}
	return renamed
}
