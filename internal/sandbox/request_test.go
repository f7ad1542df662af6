package sandbox

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// What a worker is told is what was asked, and a part of it is nothing.
func TestRequestsKeepTheirContent(t *testing.T) {
	for _, caller := range []*dispatcherv1alpha1.Caller{
		nil, {Username: "ali\x00ce", Via: dispatcherv1alpha1.CallerViaHTTP}, {},
	} {
		want := &request{
			kind: kindJob, hash: digest{1}, template: []byte("t"), name: "n", payload: "p\xff", caller: caller,
		}
		frame, err := want.frame()
		if err != nil {
			t.Fatal(err)
		}
		content := frame[headerSize:]
		got, err := parseRequest(content)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(request{})); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		for n := range content {
			if part, err := parseRequest(slices.Clip(content[:n])); err == nil {
				t.Errorf("%d of %d bytes are taken for %+v", n, len(content), part)
			}
		}
	}
}
