package objectcache

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// The estimate is compared with what Go allocates for templates of about 64 KiB of JSON.
func TestWeightIsAboutWhatGoAllocates(t *testing.T) {
	inPod := func(field string) string {
		return `{"spec":{"jobTemplate":{"spec":{"template":{"spec":{` + field + `}}}}}}`
	}
	list := func(item string) string { return strings.TrimSuffix(strings.Repeat(item+",", 64<<10/len(item)), ",") }
	entries := ""
	for i := range 4 << 10 {
		entries += fmt.Sprintf(`"example.com/%d":"",`, i)
	}
	// encoding/json remembers each type that it has decoded.
	if err := json.Unmarshal([]byte(inPod("")), &dispatcherv1alpha1.JobTemplate{}); err != nil {
		t.Fatal(err)
	}
	for reason, manifest := range map[string]string{
		"one text":         inPod(`"hostname":"` + strings.Repeat("x", 64<<10) + `"`),
		"empty containers": inPod(`"containers":[` + list(`{}`) + `]`),
		"environment":      inPod(`"containers":[{"env":[` + list(`{"valueFrom":{"fieldRef":{"fieldPath":"a"}}}`) + `]}]`),
		"pointers":         inPod(`"containers":[` + list(`{"securityContext":{"runAsUser":1}}`) + `]`),
		"short texts":      inPod(`"containers":[{"args":[` + list(`"a"`) + `]}]`),
		"quantities":       inPod(`"containers":[` + list(`{"resources":{"limits":{"cpu":"1"}}}`) + `]`),
		"labels":           `{"metadata":{"labels":{` + strings.TrimSuffix(entries, ",") + `}}}`,
	} {
		const copies = 4
		templates := make([]*dispatcherv1alpha1.JobTemplate, copies)
		before := heap()
		for i := range templates {
			templates[i] = &dispatcherv1alpha1.JobTemplate{}
			if err := json.Unmarshal([]byte(manifest), templates[i]); err != nil {
				t.Fatalf("%s: %v", reason, err)
			}
		}
		allocated := (heap() - before) / copies
		estimate := weightOf(templates[0])
		t.Logf("%s: %d bytes of JSON, estimated %d, allocated %d", reason, len(manifest), estimate, allocated)
		if estimate < allocated*2/3 || estimate > allocated*2 {
			t.Errorf("%s: estimated %d bytes, Go allocated %d", reason, estimate, allocated)
		}
		runtime.KeepAlive(templates)
	}
}

// heap is how many bytes are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
