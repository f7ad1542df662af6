// Package cabundle publishes the CA certificate that signs the manager's serving certificate, in a ConfigMap, so that
// callers need not read the Secret that has the private key, too. It must write nothing else.
package cabundle

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	certutil "k8s.io/client-go/util/cert"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Key is the key of the ConfigMap's data that has the certificates, in PEM.
const Key = "ca.crt"

const (
	// readInterval is the time between two reads of the file, and between a write that failed and the next.
	readInterval = 10 * time.Second
	// writeInterval is the time after which the ConfigMap is written although the file has not changed: somebody may
	// have deleted and created it, or changed it.
	writeInterval = 3 * time.Minute
	// writeTimeout bounds a write.
	writeTimeout = 10 * time.Second
)

// Setup makes the manager copy file to configMap, which must exist: when it starts, when file changes, and from time to
// time.
func Setup(mgr ctrl.Manager, file string, configMap types.NamespacedName) error {
	p := &publisher{configMaps: mgr.GetClient(), file: file, configMap: configMap}
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

	written   string // what was written last
	writtenAt time.Time
	unusable  string // why the file could not be used at the last read
}

// NeedLeaderElection makes every replica publish.
func (*publisher) NeedLeaderElection() bool { return false }

// Start publishes until ctx ends. A file that cannot be used is read again later, and is no reason to end: some issuers
// supply no CA.
func (p *publisher) Start(ctx context.Context) error {
	log := ctrl.Log.WithName("ca").WithValues("file", p.file, "configMap", p.configMap)
	ticker := time.NewTicker(readInterval)
	defer ticker.Stop()
	for {
		p.keepPublished(ctx, log)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// keepPublished reads the file, and writes the ConfigMap if that is due.
func (p *publisher) keepPublished(ctx context.Context, log logr.Logger) {
	certificates, err := read(p.file)
	if err != nil {
		if err.Error() != p.unusable {
			log.Info("the CA for callers is not published until the file can be used", "reason", err.Error())
		}
		p.unusable = err.Error()
		return
	}
	p.unusable = ""
	if certificates == p.written && time.Since(p.writtenAt) < writeInterval {
		return
	}
	if err := p.publish(ctx, certificates); err != nil {
		if ctx.Err() == nil {
			log.Error(err, "publishing the CA for callers failed; it is tried again")
		}
		p.written = ""
		return
	}
	p.written, p.writtenAt = certificates, time.Now()
}

// read returns the certificates in file, which has at least one.
func read(file string) (string, error) {
	certificates, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading the CA: %w", err)
	}
	if _, err := certutil.ParseCertsPEM(certificates); err != nil {
		return "", fmt.Errorf("reading the CA in %s: %w", file, err)
	}
	return string(certificates), nil
}

// publish writes the certificates. It does not read what is there: the API server stores nothing if nothing changes.
func (p *publisher) publish(ctx context.Context, certificates string) error {
	patch, err := json.Marshal(map[string]any{"data": map[string]string{Key: certificates}})
	if err != nil {
		return fmt.Errorf("encoding the patch: %w", err)
	}
	configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: p.configMap.Namespace, Name: p.configMap.Name}}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if err := p.configMaps.Patch(ctx, configMap, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return fmt.Errorf("writing ConfigMap %s: %w", p.configMap, err)
	}
	return nil
}
