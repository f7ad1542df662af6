package httpapi

import (
	"net/http"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"dispatcher.ivan.vc/internal/httpapi/access"
	"dispatcher.ivan.vc/internal/httpapi/watch"
)

// logQuery is what a caller wants of a log. Its parameters are those of kubectl logs.
type logQuery struct {
	follow bool

	// pod and container are names, or empty where the caller does not say: then it is every pod, and of each pod the
	// container of containerToShow.
	pod, container string

	// previous asks for the last run of a container before it was started again.
	previous bool

	// timestamps puts the time in front of each line, and the others leave out what is old, of each pod.
	timestamps              bool
	tailLines, sinceSeconds string
}

// logs answers with what the pods of an execution print, byte for byte, one pod after the other in the order in which
// they were created. With follow, it goes on until the execution has finished and all that was printed is sent.
//
// An answer that ends well is complete. One that cannot be completed, because the API server, the node or this server
// goes away, is cut, which HTTP clients report.
func (e *executions) logs(w http.ResponseWriter, r *http.Request) error {
	named, err := executionOf(r)
	if err != nil {
		return err
	}
	if _, err := negotiate(r, mediaText); err != nil {
		return err
	}
	asked, err := logQueryOf(r)
	if err != nil {
		return err
	}
	key := types.NamespacedName{Namespace: named.Namespace, Name: named.Execution}
	subscription := e.watcher.Subscribe(key, r.RemoteAddr)
	defer subscription.Close()
	execution, err := e.lookUpFor(r, named, access.Right{Verb: "get", Subresource: access.Logs})
	if err != nil {
		return err
	}
	kept := watch.WithoutPayload(execution.JobExecution)
	execution.Release()
	ctx, release, err := e.waiting(w, r, maxStream)
	if err != nil {
		return err
	}
	defer release()
	logs := &podLogs{
		store:        e.store,
		memory:       e.memory,
		subscription: subscription,
		execution:    kept,
		asked:        asked,
		out:          newLogWriter(w, r, e.times),
		done:         map[string]bool{},
		shown:        map[types.UID]string{},
	}
	return logs.out.end(logs.write(ctx))
}

// logQueryOf reads the query parameters of a call for logs.
func logQueryOf(r *http.Request) (logQuery, error) {
	query, err := queryOf(r, "container", "follow", "pod", "previous", "sinceSeconds", "tailLines", "timestamps")
	if err != nil {
		return logQuery{}, err
	}
	asked := logQuery{
		pod:          query["pod"],
		container:    query["container"],
		tailLines:    query["tailLines"],
		sinceSeconds: query["sinceSeconds"],
	}
	flags := map[string]*bool{"follow": &asked.follow, "previous": &asked.previous, "timestamps": &asked.timestamps}
	for name, value := range flags {
		text, given := query[name]
		if given && !slices.Contains([]string{"true", "false"}, text) {
			return asked, refuseParameter(name, "must be true or false")
		}
		*value = text == "true"
	}
	if asked.follow && asked.previous {
		return asked, refuseParameter("previous", "cannot be followed: that run has ended")
	}
	for name, least := range map[string]int{"tailLines": 0, "sinceSeconds": 1} {
		text, given := query[name]
		// The API server reads them as numbers of 64 bits; nobody needs more than 31.
		if number, err := strconv.ParseUint(text, 10, 31); given && (err != nil || int(number) < least) {
			return asked, refuseParameter(name, "must be a whole number, and at least "+strconv.Itoa(least))
		}
	}
	rules := map[string]func(string) []string{
		"pod":       validation.IsDNS1123Subdomain,
		"container": validation.IsDNS1123Label,
	}
	for name, validate := range rules {
		text, given := query[name]
		if wrong := validate(text); given && len(wrong) > 0 {
			return asked, refuseParameter(name, wrong[0])
		}
	}
	return asked, nil
}
