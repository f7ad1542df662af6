package integration

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var (
	// described is the API's own description. Every answer of the suite is held to it.
	described *contract

	// caller makes the calls of the suite.
	caller *http.Client
)

// unseen are the documented answers that no spec can bring about, by what they end with, and why.
var unseen = map[string]string{
	" 408": "takes the 10 seconds of the read time-out; the unit tests shorten it",
	" 500": "is a fault of the program, and none is known",

	"GET /executions/{namespace}/{name}/logs 200": "takes a kubelet; the end-to-end tests have one",
}

// seenAnswers is the name of the report entries with the answers that a process has seen.
const seenAnswers = "documented answers that were seen"

// reportSeenAnswers adds to the report which answers this process has seen, each in a line.
func reportSeenAnswers() {
	if described != nil {
		AddReportEntry(seenAnswers, strings.Join(slices.Collect(maps.Keys(described.seen)), "\n"),
			ReportEntryVisibilityNever)
	}
}

// The whole suite has to have seen every answer that is documented. A part of it, or one that failed, cannot.
var _ = ReportAfterSuite("every documented answer was seen", func(report Report) {
	if described == nil || !report.SuiteSucceeded ||
		report.PreRunStats.SpecsThatWillRun < report.PreRunStats.TotalSpecs {
		return
	}
	seen := map[string]bool{}
	for _, spec := range report.SpecReports {
		for _, entry := range spec.ReportEntries {
			if entry.Name == seenAnswers {
				for answer := range strings.SplitSeq(entry.StringRepresentation(), "\n") {
					seen[answer] = true
				}
			}
		}
	}
	missing := slices.DeleteFunc(described.answers(), func(answer string) bool {
		return seen[answer] || unseen[answer] != "" || unseen[answer[len(answer)-4:]] != ""
	})
	Expect(missing).To(BeEmpty(), "documented in openapi.yaml, and seen by no spec")
})

// Answers that are waited for are asked for again and again. None of them may be undocumented, not even for a while.
var _ = ReportAfterEach(func(SpecReport) {
	if described == nil {
		return
	}
	if err := described.takeViolations(); err != nil {
		Fail(fmt.Sprintf("answers that are not as openapi.yaml says:\n%v", err))
	}
})

var _ = Describe("openapi.yaml", func() {
	It("is served as it is", func(ctx SpecContext) {
		answered, err := send(ctx, manager, http.MethodGet, "/openapi.yaml", "", nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(answered.Code).To(Equal(http.StatusOK))
		Expect(answered.Header.Get("Content-Type")).To(Equal("application/yaml"))
		Expect(answered.Body).To(Equal(described.source))

		By("answering with its headers alone")
		head, err := send(ctx, manager, http.MethodHead, "/openapi.yaml", "", nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(head.Code).To(Equal(http.StatusOK))
		Expect(head.Body).To(BeEmpty())
		Expect(head.Header.Get("ETag")).To(Equal(answered.Header.Get("ETag")))

		By("answering with nothing to who has it")
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			known, err := send(ctx, manager, method, "/openapi.yaml", "",
				http.Header{"If-None-Match": {answered.Header.Get("ETag")}})
			Expect(err).NotTo(HaveOccurred())
			Expect(known.Code).To(Equal(http.StatusNotModified))
		}
	})
})
