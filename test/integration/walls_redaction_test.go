package integration

import (
	"fmt"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/test/user"
)

// marker is a word of templates that nobody who only runs them may see.
const marker = "Zq7xSecretWord"

// markedTemplates fail for the payload "boom" and for no other, with the marker near to what fails. What a template
// says by fail and required is for its callers.
var markedTemplates = map[string]string{
	"beside it":           marker + onBoom(`{{ mustFromJson .Payload }}`) + marker,
	"in a comment":        onBoom(`{{/* ` + marker + ` */}}{{ index .Payload 100 }}`),
	"in a variable":       onBoom(`{{ $` + marker + ` := mustFromJson .Payload }}`),
	"in a text to decode": onBoom(`{{ mustFromJson "` + marker + `" }}`),
	"in a text of YAML":   onBoom(`{{ fromYaml "{` + marker + `" }}`),
	"in base64":           onBoom(`{{ b64dec "` + marker + `!" }}`),
	"in a number":         onBoom(`{{ index (list 1) (atoi "` + marker + `" | add 100) }}`),
	"in a version":        onBoom(`{{ semver "` + marker + `" }}`),
	"in a called template": `{{ define "` + marker + `" }}{{ mustFromJson . }}{{ end }}` +
		onBoom(`{{ template "`+marker+`" .Payload }}`),
	"in a format":     onBoom(`{{ printf "%s ` + marker + ` %d" .Payload | mustFromJson }}`),
	"in a comparison": onBoom(`{{ lt (dict "` + marker + `" 1) 1 }}`),
	"in a pattern":    onBoom(`{{ mustRegexMatch (print "` + marker + `" "(") .Payload }}`),
	"in a date":       onBoom(`{{ mustToDate "2006-01-02" "` + marker + `" }}`),
	"in a layout":     onBoom(`{{ mustToDate "` + marker + `" .Payload }}`),
	"in a time zone":  onBoom(`{{ dateInZone "2006" now "` + marker + `" }}`),
	"in a URL":        onBoom(`{{ urlParse "http://` + marker + `:%zz/" }}`),
	"in a duration":   onBoom(`{{ mustDateModify "` + marker + `" now }}`),
	"in a dictionary": onBoom(`{{ index (dict "a" "` + marker + `") "b" "c" }}`),
	"in what is long": onBoom(`{{ mustFromJson .Payload }}`) + marker + marker + marker,
}

var _ = walls("The text of a template", func(namespace func() string) {
	It("is in no refusal, no status, no event and no preview that is refused", func(ctx SpecContext) {
		waiting := map[string]*dispatcherv1alpha1.JobExecution{}
		for where := range markedTemplates {
			name := fmt.Sprintf("marked-%d", len(waiting))
			createTemplate(ctx, namespace(), func(t *dispatcherv1alpha1.JobTemplate) { t.Name = name })
			waiting[where] = heldUp(ctx, namespace(), name)
		}
		for where, text := range markedTemplates {
			changeTo(ctx, namespace(), waiting[where].Spec.JobTemplateName, text)
		}
		var leaks []string
		for where, execution := range waiting {
			name := execution.Spec.JobTemplateName
			again := user.NewExecution(namespace(), "again", name, "boom")
			var err error
			Eventually(func() error {
				err = admin.Create(ctx, again.DeepCopy(), client.DryRunAll)
				return err
			}).WithContext(ctx).Should(HaveOccurred(), where)
			refusedAtField(err, where)
			leaks = append(leaks, leak(where, err.Error())...)
			for _, query := range []string{"", "?dryRun=All"} {
				answered, err := send(ctx, manager, http.MethodPut, "/execute/"+namespace()+"/"+name+query, "boom", nil)
				Expect(err).NotTo(HaveOccurred())
				refusedAtFieldOf(answered, where)
				leaks = append(leaks, leak(where, answered.Body)...)
			}
		}

		By("ending those that waited")
		for where, execution := range waiting {
			ended := eventuallyState(ctx, execution, failed(dispatcherv1alpha1.ReasonRenderFailed))
			told, err := yaml.Marshal(ended.Status)
			Expect(err).NotTo(HaveOccurred())
			leaks = append(leaks, leak(where, string(told))...)
			for _, event := range eventsAbout(ctx, ended) {
				leaks = append(leaks, leak(where, event.Note)...)
			}
			answered := call(ctx, http.MethodGet, location(ended), nil)
			leaks = append(leaks, leak(where, answered.Body)...)
		}
		Expect(leaks).To(BeEmpty())
	})
})

// leak says where the marker is in a text, with what is around it.
func leak(where, text string) []string {
	before, after, found := strings.Cut(text, marker)
	if !found {
		return nil
	}
	return []string{where + ": " + before[max(0, len(before)-80):] + marker + after[:min(40, len(after))]}
}
