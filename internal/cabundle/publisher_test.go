package cabundle

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	certutil "k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// patches is an API server that takes merge patches of ConfigMaps.
type patches struct {
	client.Writer

	fail int // how many patches it refuses
	seen chan string
}

func (p *patches) Patch(_ context.Context, object client.Object, patch client.Patch, _ ...client.PatchOption) error {
	if p.fail > 0 {
		p.fail--
		return errors.New("away")
	}
	data, err := patch.Data(object)
	p.seen <- client.ObjectKeyFromObject(object).String() + " " + string(patch.Type()) + " " + string(data)
	return err
}

func newCA(t *testing.T, file string) string {
	t.Helper()
	certificate, _, err := certutil.GenerateSelfSignedCertKey("ca", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	return string(certificate)
}

func start(t *testing.T, file string, server *patches) (stop func()) {
	t.Helper()
	p := &publisher{configMaps: server, file: file, changed: make(chan struct{}, 1),
		configMap: types.NamespacedName{Namespace: "system", Name: "ca"}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- p.Start(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func want(t *testing.T, server *patches, certificates string) {
	t.Helper()
	encoded, err := json.Marshal(certificates)
	if err != nil {
		t.Fatal(err)
	}
	want := `system/ca application/merge-patch+json {"data":{"ca.crt":` + string(encoded) + `}}`
	if got := <-server.seen; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestTheCAIsPublishedWheneverItChanges(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.crt")
	server := &patches{seen: make(chan string)}
	first := newCA(t, file)
	stop := start(t, file, server)
	want(t, server, first)
	want(t, server, newCA(t, file))
	stop()
}

// In synctest's time, since a pause is between the attempts. fsnotify cannot be used there.
func TestAFailureIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &patches{fail: 3, seen: make(chan string, 1)}
		p := &publisher{configMaps: server, changed: make(chan struct{}, 1)}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			p.keepPublished(ctx, logr.Discard(), func() []byte { return []byte("ca") })
		}()
		if got, want := <-server.seen, `/ application/merge-patch+json {"data":{"ca.crt":"ca"}}`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		cancel()
		<-done
	})
}

func TestWithoutACANothingIsPublished(t *testing.T) {
	p := &publisher{file: filepath.Join(t.TempDir(), "ca.crt"), configMaps: &patches{}}
	if err := p.Start(t.Context()); err != nil {
		t.Error(err)
	}
}
