package cabundle

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"
	certutil "k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// patches is an API server that takes merge patches of ConfigMaps.
type patches struct {
	client.Writer

	fail atomic.Int32 // how many patches it refuses
	hang atomic.Int32 // how many patches it does not answer
	seen chan string
}

func (p *patches) Patch(ctx context.Context, object client.Object, patch client.Patch, _ ...client.PatchOption) error {
	if p.hang.Load() > 0 {
		p.hang.Add(-1)
		<-ctx.Done()
		return ctx.Err()
	}
	if p.fail.Load() > 0 {
		p.fail.Add(-1)
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

// start runs a publisher until stop, in synctest's time.
func start(t *testing.T, file string, server *patches) (stop func()) {
	t.Helper()
	p := &publisher{configMaps: server, file: file, configMap: types.NamespacedName{Namespace: "system", Name: "ca"}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Start(ctx) }()
	return func() {
		t.Helper()
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
	synctest.Test(t, func(t *testing.T) {
		server := &patches{seen: make(chan string)}
		first := newCA(t, file)
		stop := start(t, file, server)
		want(t, server, first)
		want(t, server, newCA(t, file))
		stop()
	})
}

// A new CA is there soon, also where its first write fails, and an old one is written again from time to time only.
func TestWhenTheCAIsWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.crt")
	synctest.Test(t, func(t *testing.T) {
		server := &patches{seen: make(chan string)}
		certificates := newCA(t, file)
		stop := start(t, file, server)
		want(t, server, certificates)
		for _, test := range []struct {
			reason      string
			renew       bool
			fail        int32
			least, most time.Duration
		}{
			{"nothing has changed", false, 0, writeInterval, writeInterval + readInterval},
			{"nothing has changed since", false, 0, writeInterval, writeInterval + readInterval},
			{"the file has changed", true, 0, 0, readInterval},
			{"a write fails", true, 2, 0, 3 * readInterval},
			{"it is written again", false, 0, writeInterval, writeInterval + readInterval},
		} {
			synctest.Wait()
			begun := time.Now()
			server.fail.Store(test.fail)
			if test.renew {
				certificates = newCA(t, file)
			}
			want(t, server, certificates)
			if took := time.Since(begun); took < test.least || took > test.most {
				t.Errorf("%s: written after %v, want from %v to %v", test.reason, took, test.least, test.most)
			}
		}
		stop()
	})
}

func TestAConfigMapThatWasCreatedAgainIsFilled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.crt")
	synctest.Test(t, func(t *testing.T) {
		server := &patches{seen: make(chan string)}
		certificates := newCA(t, file)
		stop := start(t, file, server)
		want(t, server, certificates)
		want(t, server, certificates)
		stop()
	})
}

func TestAFailureIsTriedAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.crt")
	synctest.Test(t, func(t *testing.T) {
		server := &patches{seen: make(chan string)}
		server.fail.Store(3)
		certificates := newCA(t, file)
		stop := start(t, file, server)
		want(t, server, certificates)
		stop()
	})
}

func TestAFileThatCannotBeUsedIsReadAgain(t *testing.T) {
	for name, content := range map[string][]byte{"missing": nil, "empty": {}, "no certificates": []byte("none")} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "ca.crt")
			if content != nil {
				if err := os.WriteFile(file, content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Test(t, func(t *testing.T) {
				server := &patches{seen: make(chan string)}
				stop := start(t, file, server)
				synctest.Wait()
				want(t, server, newCA(t, file))
				stop()
			})
		})
	}
}

// A patch that is not answered is tried again.
func TestPublishAfterSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), Key)
		certificates := newCA(t, file)
		server := &patches{seen: make(chan string)}
		server.hang.Store(2)
		stop := start(t, file, server)
		want(t, server, certificates)
		stop()
	})
}
