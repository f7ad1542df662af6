package controller

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/client-go/rest"

	"dispatcher.ivan.vc/internal/leader"
)

// renew renews the Lease as the elector does.
func renew(t *testing.T, lease *leader.Lease) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	client, err := rest.HTTPClientFor(lease.ElectionConfig(&rest.Config{Host: server.URL}))
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, server.URL+"/apis/coordination.k8s.io/v1/namespaces/x/leases/y", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
}

// A process that may have lost the Lease neither creates a Job nor finishes an execution, and tries again.
func TestWithoutLease(t *testing.T) {
	for _, test := range []struct {
		reason string
		c      *cluster
		want   []string
	}{
		{"a Job has to be created", newCluster(t, newTemplate(), newExecution()), []string{"create Job"}},
		{"a final status has to be written", newCluster(t, newTemplate(), newExecution(), newJob(complete)), []string{"patch status of JobExecution"}},
		{"the template does not exist", newCluster(t, newExecution()), []string{"get JobTemplate", "get Job", "patch status of JobExecution"}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			lease := leader.NewLease()
			test.c.reconciler.lease = lease
			for _, leads := range []bool{false, true} {
				if leads {
					renew(t, lease)
				}
				_, calls, err := test.c.reconcile()
				writes := len(calls) > 0 && calls[len(calls)-1] == test.want[len(test.want)-1]
				if writes != leads || (err == nil) != leads {
					t.Errorf("leads: %v, calls = %q, error = %v", leads, calls, err)
				}
			}
		})
	}
}
