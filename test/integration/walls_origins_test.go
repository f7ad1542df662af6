package integration

import (
	"context"
	"io"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"dispatcher.ivan.vc/test/user"
)

var _ = Describe("A web page", Label("walls"), func() {
	var namespace string

	BeforeEach(func(ctx SpecContext) {
		namespace = admin.NewNamespace(ctx)
		createTemplate(ctx, namespace)
	})

	// browse makes a call as a browser does, with a Host that need not be the manager's.
	browse := func(ctx context.Context, method, path, host string, header map[string]string) user.Answer {
		GinkgoHelper()
		request, err := http.NewRequestWithContext(ctx, method, manager.URL+path, strings.NewReader("p"))
		Expect(err).NotTo(HaveOccurred())
		if method == http.MethodGet {
			request.Body = http.NoBody
		}
		if host != "" {
			request.Host = host
		}
		for key, value := range header {
			request.Header.Set(key, value)
		}
		response, err := http.DefaultTransport.RoundTrip(request)
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		Expect(err).NotTo(HaveOccurred())
		return user.Answer{Code: response.StatusCode, Header: response.Header, Body: string(body)}
	}
	own := func() string { return strings.TrimPrefix(manager.URL, "http://") }

	DescribeTable("of another origin executes nothing:",
		func(ctx SpecContext, header map[string]string) {
			header["Content-Type"] = "text/plain"
			for _, method := range []string{http.MethodPost, http.MethodPut} {
				answered := browse(ctx, method, "/execute/"+namespace+"/echo", "", header)
				Expect(answered.Code).To(Equal(http.StatusForbidden), answered.Body)
				Expect(answered.Problem().Detail).NotTo(BeEmpty())
			}
			Expect(admin.Executions(ctx, namespace)).To(BeEmpty())
		},
		Entry("as a browser of today says",
			map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}),
		Entry("as a browser says of a page of the same site",
			map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "http://other.localhost"}),
		Entry("as an older browser says", map[string]string{"Origin": "https://evil.example"}),
		Entry("of a file", map[string]string{"Origin": "null"}),
		Entry("at another port", map[string]string{"Origin": "http://127.0.0.1:1"}),
	)

	It("of the same origin executes, and so does whoever is no browser", func(ctx SpecContext) {
		for _, header := range []map[string]string{
			{"Sec-Fetch-Site": "same-origin",
				"Origin": manager.URL}, {"Origin": manager.URL}, {"Sec-Fetch-Site": "none"}, nil,
		} {
			answered := browse(ctx, http.MethodPut, "/execute/"+namespace+"/echo", "", header)
			Expect(answered.Code).To(Equal(http.StatusCreated), "%v", header)
		}
	})

	It("of a host that is none of Dispatcher's reads and executes nothing", func(ctx SpecContext) {
		execution := put(ctx, namespace+"/echo", marker).Execution()
		_, port, _ := strings.Cut(own(), ":")
		calls := map[string]string{location(execution): http.MethodGet, "/execute/" + namespace +
			"/echo": http.MethodPost}
		for _, host := range []string{
			"evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "evil.example:" + port,
		} {
			for path, method := range calls {
				answered := browse(ctx, method, path, host, map[string]string{"Content-Type": "text/plain"})
				Expect(answered.Code).
					To(BeElementOf(http.StatusForbidden, http.StatusMisdirectedRequest), "%s %s", host, path)
				Expect(answered.Body).NotTo(ContainSubstring(marker))
			}
		}
		for _, host := range []string{"", "localhost", "localhost:8080", "127.0.0.1", "[::1]:80", "10.1.2.3"} {
			Expect(browse(ctx, http.MethodGet, location(execution), host, nil).Code).To(Equal(http.StatusOK), host)
		}
		Expect(admin.Executions(ctx, namespace)).To(HaveLen(1))
	})

	It("is given nothing to keep but the description", func(ctx SpecContext) {
		execution := put(ctx, namespace+"/echo", "").Execution()
		for _, path := range []string{
			location(execution), "/executions/" + namespace, "/executions/" + namespace + "/none",
			"/templates/" + namespace, "/templates/" + namespace + "/echo", "/none",
		} {
			Expect(call(ctx, http.MethodGet, path, nil).Header.Get("Cache-Control")).To(Equal("no-store"), path)
		}
		Expect(put(ctx, namespace+"/echo", "").Header.Get("Cache-Control")).To(Equal("no-store"))
		Expect(call(ctx, http.MethodGet, "/openapi.yaml", nil).Header.Get("Cache-Control")).NotTo(Equal("no-store"))
	})
})
