package integration

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("The ports of the probes and the metrics", func() {
	It("answer while strangers hold connections with long headers, and keep little of them", func(ctx SpecContext) {
		pid := manager.PID()
		addresses := map[string]string{"/readyz": manager.HealthAddress(), "/metrics": manager.MetricsAddress()}
		var strangers sync.WaitGroup
		header := "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 1<<20-4096)
		for _, address := range addresses {
			for range 300 {
				sent := holdHeader(ctx, address, header)
				strangers.Go(func() { <-sent })
			}
		}
		strangers.Wait()

		for path, address := range addresses {
			Expect(getFrom(ctx, "127.0.0.3", "http://"+address+path)).To(Equal(http.StatusOK), path)
		}
		Expect(manager.PID()).To(Equal(pid))
		Expect(manager.Running()).To(BeTrue())
		Expect(manager.Metric(ctx, "process_resident_memory_bytes", nil)).To(BeNumerically("<", 400<<20))
	})
})

// holdHeader sends the beginning of a request as a stranger, and keeps the connection. What it returns is closed when all
// is sent, or the server has closed the connection.
func holdHeader(ctx context.Context, address, header string) <-chan struct{} {
	GinkgoHelper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(strangersAddress)}}
	connection, err := dialer.DialContext(ctx, "tcp", address)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { _ = connection.Close() })
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(connection, header)
	}()
	return sent
}

// getFrom sends a GET from a source address over a connection of its own, and returns the status code.
func getFrom(ctx context.Context, source, url string) (int, error) {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	client := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}
