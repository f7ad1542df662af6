package render

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestCache(t *testing.T) {
	cache := newCache(2)
	template := templateOf(jobWithArgs("{{ .Payload }}"))
	first, errs := cache.program(template)
	if len(errs) > 0 {
		t.Fatal(errs)
	}

	t.Run("the same state is compiled once", func(t *testing.T) {
		if again, _ := cache.program(template.DeepCopy()); again != first {
			t.Error("got another program")
		}
	})
	t.Run("labels and annotations are data", func(t *testing.T) {
		labelled := template.DeepCopy()
		labelled.Labels, labelled.Generation, labelled.UID = map[string]string{"a": "b"}, 7, "another"
		if again, _ := cache.program(labelled); again != first {
			t.Error("got another program")
		}
	})
	t.Run("another spec of the same generation is another program, as after a restore of etcd", func(t *testing.T) {
		changed := template.DeepCopy()
		changed.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Args[0] = "{{ .Name }}"
		if other, _ := cache.program(changed); other == first {
			t.Error("got the old program")
		}
		changed.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Args[0] = "{{ .Namespace }}"
		cache.program(changed)
	})
	t.Run("it is bounded", func(t *testing.T) {
		if cache.len() != 2 {
			t.Errorf("%d programs are kept, want 2", cache.len())
		}
	})
	t.Run("errors are kept as well, each time in a list of their own", func(t *testing.T) {
		broken := templateOf(jobWithArgs("{{ nosuch }}"))
		_, errs := cache.program(broken)
		if len(errs) != 1 {
			t.Fatalf("got %v", errs)
		}
		errs[0] = nil
		if _, again := cache.program(broken); len(again) != 1 || again[0] == nil {
			t.Errorf("got %v", again)
		}
	})
}

// TestCacheBytes fills a cache with large templates.
func TestCacheBytes(t *testing.T) {
	cache := newCache(1000)
	for i := range 20 {
		large := jobWithArgs(strings.Repeat("{{.}}", 9_000) + fmt.Sprint(i))
		program, errs := cache.program(templateOf(large))
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		if again, _ := cache.program(templateOf(large)); again != program {
			t.Error("the last one is not kept")
		}
	}
	if cache.bytes > maxCacheBytes || cache.bytes < maxCacheBytes/2 {
		t.Errorf("%d programs with %d bytes are kept", cache.len(), cache.bytes)
	}
	for cache.len() > 0 {
		cache.maxPrograms--
		cache.evict()
	}
	if cache.bytes != 0 {
		t.Errorf("%d bytes are kept in no programs", cache.bytes)
	}
}

// TestConcurrency renders many payloads with few programs at the same time: run it with -race.
func TestConcurrency(t *testing.T) {
	cache := newCache(2)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 50 {
				template := templateOf(jobWithArgs(`{{ define "a" }}{{ . | upper }}{{ end }}{{ template "a" .Payload }} {{ (dict "k" .Payload).k }}`, fmt.Sprint(j%3)))
				program, errs := cache.program(template)
				if len(errs) > 0 {
					t.Error(errs)
					return
				}
				payload := fmt.Sprintf("p%d-%d", i, j)
				rendered, errs := program.render(t.Context(), testData(payload), program.fieldErrors)
				if len(errs) > 0 {
					t.Error(errs)
					return
				}
				if got, want := rendered.Spec.Template.Spec.Containers[0].Args[0], strings.ToUpper(payload)+" "+payload; got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
	group.Wait()
	if cache.len() > 2 {
		t.Errorf("%d programs are kept", cache.len())
	}
}

// len returns how many programs the cache holds.
func (c *cache) len() int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return len(c.entries)
}
