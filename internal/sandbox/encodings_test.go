package sandbox

import (
	"strconv"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// stored returns a template that was stored, of some size.
func stored(uid, resourceVersion string, size int) *dispatcherv1alpha1.JobTemplate {
	template := &dispatcherv1alpha1.JobTemplate{}
	template.UID, template.ResourceVersion = types.UID(uid), resourceVersion
	template.Annotations = map[string]string{"text": strings.Repeat("x", size)}
	return template
}

func mustGet(t *testing.T, e *encodings, template *dispatcherv1alpha1.JobTemplate) (*encoding, func()) {
	t.Helper()
	encoded, release, err := e.get(template)
	if err != nil {
		t.Fatal(err)
	}
	return encoded, release
}

func TestATemplateIsEncodedOnce(t *testing.T) {
	for _, test := range []struct {
		reason string
		other  *dispatcherv1alpha1.JobTemplate
		same   bool
	}{
		{"the same version", stored("a", "1", 1), true},
		{"another version", stored("a", "2", 1), false},
		{"another template", stored("b", "1", 1), false},
		{"a template that is not stored", stored("", "", 1), false},
		{"a template that is not stored, and claims a UID", stored("a", "", 1), false},
	} {
		for _, used := range []bool{true, false} {
			e := newEncodings()
			first, release := mustGet(t, e, stored("a", "1", 1))
			if !used {
				release()
			}
			if second, _ := mustGet(t, e, test.other); (first == second) != test.same {
				t.Errorf("%s, while the first is in use: %v: the same is %v", test.reason, used, first == second)
			}
		}
	}
}

// TestEncodingsAreBounded: whatever was asked for, what nobody uses takes little memory, and what is used stays.
func TestEncodingsAreBounded(t *testing.T) {
	e := newEncodings()
	used, release := mustGet(t, e, stored("used", "1", maxEncodings/2))
	var callers sync.WaitGroup
	for caller := range 8 {
		callers.Go(func() {
			for i := range 200 {
				_, release, _ := e.get(stored(strconv.Itoa(i*caller%300), "1", maxEncodings/20))
				release()
				release() // Only the first call counts.
			}
		})
	}
	callers.Wait()
	if e.bytes > maxEncodings || len(e.entries) != len(e.unused)+1 {
		t.Errorf("%d bytes in %d unused of %d", e.bytes, len(e.unused), len(e.entries))
	}
	if again, release := mustGet(t, e, stored("used", "1", maxEncodings/2)); again != used {
		t.Error("what was in use was dropped")
	} else {
		release()
	}
	release()
	for i := range 30 {
		_, release := mustGet(t, e, stored("later-"+strconv.Itoa(i), "1", maxEncodings/20))
		release()
	}
	sum := 0
	for _, entry := range e.entries {
		sum += entry.size
	}
	if sum != e.bytes || sum > maxEncodings || len(e.entries) != len(e.unused) {
		t.Errorf("%d bytes, counted as %d, in %d of which %d are unused", sum, e.bytes, len(e.entries), len(e.unused))
	}
}
