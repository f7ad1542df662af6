package objectcache

import (
	"container/list"
	"sync"
)

// entryOverhead is about what an entry needs beside its value.
const entryOverhead = 256

// bounded maps keys to values that together weigh at most limit bytes. The least recently used ones are dropped first.
// It is safe for concurrent use. The values are shared and must not be changed.
type bounded[K comparable, V any] struct {
	limit int64

	mutex   sync.Mutex
	used    int64
	entries map[K]*list.Element
	recent  *list.List // The most recently used entry is at the front.
}

type entry[K comparable, V any] struct {
	key    K
	value  V
	weight int64
}

func newBounded[K comparable, V any](limit int64) *bounded[K, V] {
	return &bounded[K, V]{limit: limit, entries: map[K]*list.Element{}, recent: list.New()}
}

// put keeps a value instead of the one that the key had. A value that weighs more than a quarter of the limit is not
// kept: it would drop too many others.
func (b *bounded[K, V]) put(key K, value V, weight int64) {
	weight += entryOverhead
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.drop(b.entries[key])
	if weight > b.limit/4 {
		return
	}
	b.entries[key] = b.recent.PushFront(&entry[K, V]{key, value, weight})
	b.used += weight
	for b.used > b.limit {
		b.drop(b.recent.Back())
	}
}

// get returns the value of the key, if it is kept.
func (b *bounded[K, V]) get(key K) (value V, ok bool) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	element, ok := b.entries[key]
	if !ok {
		return value, false
	}
	b.recent.MoveToFront(element)
	return element.Value.(*entry[K, V]).value, true
}

// weight returns what the value of the key weighs, if it is kept.
func (b *bounded[K, V]) weight(key K) (weight int64, ok bool) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	element, ok := b.entries[key]
	if !ok {
		return 0, false
	}
	return element.Value.(*entry[K, V]).weight, true
}

// remove drops the value of the key.
func (b *bounded[K, V]) remove(key K) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.drop(b.entries[key])
}

// drop drops an entry, if there is one. The caller must hold the mutex.
func (b *bounded[K, V]) drop(element *list.Element) {
	if element == nil {
		return
	}
	dropped := b.recent.Remove(element).(*entry[K, V])
	delete(b.entries, dropped.key)
	b.used -= dropped.weight
}
