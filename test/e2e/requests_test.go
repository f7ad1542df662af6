package e2e

import (
	"context"
	"net/http"
	"os"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"dispatcher.ivan.vc/test/user"
)

// caller knows no proxy: the HTTP API is reached through a port of this machine.
var caller = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}

// put executes a template, named as in the path, and returns the answer whatever it is.
func put(ctx context.Context, namespace, template, payload string) user.Answer {
	GinkgoHelper()
	answered, err := send(ctx, http.MethodPut, "/execute/"+namespace+"/"+template, payload, nil)
	Expect(err).NotTo(HaveOccurred())
	return answered
}

// send makes one request through the port that leads to Dispatcher's Service.
func send(ctx context.Context, method, path, body string, header http.Header) (user.Answer, error) {
	return user.Send(ctx, caller, method, "http://127.0.0.1:"+os.Getenv("HTTP_PORT")+path, body, header)
}
