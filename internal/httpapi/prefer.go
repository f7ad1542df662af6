package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/watch"
)

// preferredWait returns how long a caller prefers to wait for the end of the execution, at most longest (RFC 7240,
// section 4.3). A preference that cannot be understood is ignored, as the RFC says, and so are all others.
func preferredWait(r *http.Request, longest time.Duration) (wait time.Duration, preferred bool) {
	text, ok := firstPreference(strings.Join(r.Header.Values("Prefer"), ","), "wait")
	if !ok {
		return 0, false
	}
	seconds, err := strconv.ParseUint(text, 10, 32)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return longest, true
	case err != nil:
		return 0, false
	}
	return min(time.Duration(seconds)*time.Second, longest), true
}

// firstPreference returns the value of a preference. Where it is given more than once, the first counts (RFC 7240,
// section 2). Prefer is older than structured fields (RFC 9651) and is none: names are the same in any case, there may
// be white space around =, and one preference that is malformed must not take the others with it.
func firstPreference(preferences, name string) (value string, found bool) {
	for preferences != "" {
		var preference string
		preference, preferences = cutUnquoted(preferences, ',')
		preference, _ = cutUnquoted(preference, ';')
		token, word, _ := strings.Cut(preference, "=")
		if !strings.EqualFold(strings.TrimSpace(token), name) {
			continue
		}
		word = strings.TrimSpace(word)
		if inner, quoted := strings.CutPrefix(word, `"`); quoted {
			word, found = strings.CutSuffix(inner, `"`)
			return word, found
		}
		return word, true
	}
	return "", false
}

// cutUnquoted cuts text around the first separator that is not inside quotes.
func cutUnquoted(text string, separator byte) (before, after string) {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch {
		case quoted && text[i] == '\\':
			i++
		case text[i] == '"':
			quoted = !quoted
		case text[i] == separator && !quoted:
			return text[:i], text[i+1:]
		}
	}
	return text, ""
}

// await waits for the end of an execution that was just stored, and returns it with the status to answer with: 200
// when it has finished, else 202. The context is that of waiters.acquire: a caller that hangs up ends the wait and
// not the execution, and so does a server that stops.
func (e *executor) await(
	ctx context.Context,
	w http.ResponseWriter,
	r *http.Request,
	execution *dispatcherv1alpha1.JobExecution,
	wait time.Duration,
) (*watch.Copy, int) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	key := types.NamespacedName{Namespace: execution.Namespace, Name: execution.Name}
	subscription := e.watcher.Subscribe(key, r.RemoteAddr)
	defer subscription.Close()
	// The subscription comes first: what happens after this look is announced.
	seen, err := subscription.Look(ctx, execution)
	if err == nil {
		seen, err = subscription.AwaitFrom(ctx, seen, (*dispatcherv1alpha1.JobExecution).IsFinished)
	}
	if seen == nil {
		// It is stored, or was, and that is what the caller has to know: nothing may be answered that reads like a refusal.
		recordOf(r).err = err
		seen = watch.NewCopy(execution, nil)
	}
	early := errors.Is(context.Cause(ctx), errStopping) || errors.Is(context.Cause(ctx), errMakeRoom)
	if seen.IsFinished() || !early {
		w.Header().Set("Preference-Applied", "wait="+strconv.Itoa(int(wait.Seconds())))
	}
	if !seen.IsFinished() {
		return seen, http.StatusAccepted
	}
	return seen, http.StatusOK
}
