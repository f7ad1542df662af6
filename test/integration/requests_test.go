package integration

import (
	"context"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"dispatcher.ivan.vc/test/controlplane"
	"dispatcher.ivan.vc/test/user"
)

// put executes a template, named as in the path, at the suite's manager.
func put(ctx context.Context, target, payload string) user.Answer {
	GinkgoHelper()
	return putTo(ctx, manager, target, payload)
}

func putTo(ctx context.Context, m *controlplane.Manager, target, payload string) user.Answer {
	GinkgoHelper()
	answered, err := send(ctx, m, http.MethodPut, "/execute/"+target, payload, nil)
	Expect(err).NotTo(HaveOccurred())
	return answered
}

func send(ctx context.Context, m *controlplane.Manager, method, path, payload string, header http.Header) (user.Answer,
	error) {
	return user.Send(ctx, caller, method, m.URL+path, payload, header)
}
