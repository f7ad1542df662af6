package sandbox

import (
	"crypto/sha256"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// encoding is a template as workers get it.
type encoding struct {
	template []byte
	hash     digest
}

func newEncoding(template *dispatcherv1alpha1.JobTemplate) (*encoding, error) {
	encoded, err := encodeTemplate(template)
	return &encoding{template: encoded, hash: sha256.Sum256(encoded)}, err
}

// encodings shares the encodings of stored templates: many executions of a large one, which all wait, need it once. It
// keeps those that are in use, and of the others the last ones, up to maxEncodings bytes.
type encodings struct {
	mutex   sync.Mutex
	entries map[version]*sharedEncoding
	unused  []*sharedEncoding // the longest unused one first
	bytes   int               // of the unused ones
}

// version is a template as it was stored once.
type version struct {
	uid             types.UID
	resourceVersion string
}

type sharedEncoding struct {
	version version
	users   int
	make    func() (*encoding, error) // It encodes when it is called first.
	size    int                       // set when it becomes unused
}

func newEncodings() *encodings { return &encodings{entries: map[version]*sharedEncoding{}} }

// get returns the encoding of a stored template. Where there is no error, the caller must call release.
func (e *encodings) get(template *dispatcherv1alpha1.JobTemplate) (encoded *encoding, release func(), err error) {
	v := version{template.UID, template.ResourceVersion}
	if v.uid == "" || v.resourceVersion == "" {
		encoded, err := newEncoding(template)
		return encoded, func() {}, err
	}
	e.mutex.Lock()
	entry := e.entries[v]
	if entry == nil {
		entry = &sharedEncoding{
			version: v, make: sync.OnceValues(func() (*encoding, error) { return newEncoding(template) }),
		}
		e.entries[v] = entry
	} else if entry.users == 0 {
		e.unused = without(e.unused, entry)
		e.bytes -= entry.size
	}
	entry.users++
	e.mutex.Unlock()
	encoded, err = entry.make()
	release = sync.OnceFunc(func() { e.release(entry, len(encoded.template)) })
	if err != nil {
		release()
	}
	return encoded, release, err
}

func (e *encodings) release(entry *sharedEncoding, size int) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if entry.users--; entry.users > 0 {
		return
	}
	entry.size = size
	e.unused = append(e.unused, entry)
	e.bytes += size
	for e.bytes > maxEncodings || len(e.unused) > maxTemplates {
		delete(e.entries, e.unused[0].version)
		e.bytes -= e.unused[0].size
		e.unused = e.unused[1:]
	}
}
