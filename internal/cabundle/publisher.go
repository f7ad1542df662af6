// Package cabundle publishes the CA certificate that signs the manager's serving certificate, in a ConfigMap, so that
// callers need not read the Secret that has the private key, too. It must write nothing else.
package cabundle

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Key is the key of the ConfigMap's data that has the certificates, in PEM.
const Key = "ca.crt"

// retryInterval is the pause after an attempt that failed.
const retryInterval = 10 * time.Second

// Setup makes the manager copy file to configMap, which must exist, when it starts and whenever file changes.
func Setup(mgr ctrl.Manager, file string, configMap types.NamespacedName) error {
	p := &publisher{configMaps: mgr.GetClient(), file: file, configMap: configMap, changed: make(chan struct{}, 1)}
	if err := mgr.Add(p); err != nil {
		return fmt.Errorf("adding the publisher of the CA: %w", err)
	}
	return nil
}

// publisher runs on every replica. They write the same, so it does not matter who does.
type publisher struct {
	configMaps client.Writer
	file       string
	configMap  types.NamespacedName
	changed    chan struct{}
}

var _ dynamiccertificates.Listener = &publisher{}

// NeedLeaderElection makes every replica publish.
func (*publisher) NeedLeaderElection() bool { return false }

// Enqueue is called when the file has changed.
func (p *publisher) Enqueue() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// Start publishes until ctx ends. A file that cannot be used is logged and no reason to end: some issuers supply no CA.
func (p *publisher) Start(ctx context.Context) error {
	log := ctrl.Log.WithName("ca").WithValues("file", p.file, "configMap", p.configMap)
	ca, err := dynamiccertificates.NewDynamicCAContentFromFile("ca", p.file)
	if err != nil {
		log.Info("the CA for callers is not published", "reason", err.Error())
		return nil
	}
	ca.AddListener(p)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		ca.Run(ctx, 1)
	}()
	defer func() { <-watched }()

	p.keepPublished(ctx, log, ca.CurrentCABundleContent)
	return nil
}

// keepPublished publishes what current returns, now and after each change, until ctx ends.
func (p *publisher) keepPublished(ctx context.Context, log logr.Logger, current func() []byte) {
	for {
		var retry <-chan time.Time
		if err := p.publish(ctx, current()); err != nil && ctx.Err() == nil {
			log.Error(err, "publishing the CA for callers failed; it is tried again")
			retry = time.After(retryInterval)
		}
		select {
		case <-ctx.Done():
			return
		case <-p.changed:
		case <-retry:
		}
	}
}

// publish writes the certificates. It does not read what is there: the API server stores nothing if nothing changes.
func (p *publisher) publish(ctx context.Context, certificates []byte) error {
	patch, err := json.Marshal(map[string]any{"data": map[string]string{Key: string(certificates)}})
	if err != nil {
		return fmt.Errorf("encoding the patch: %w", err)
	}
	configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: p.configMap.Namespace, Name: p.configMap.Name}}
	if err := p.configMaps.Patch(ctx, configMap, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return fmt.Errorf("writing ConfigMap %s: %w", p.configMap, err)
	}
	return nil
}
