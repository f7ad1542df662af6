package identity

import (
	"errors"
	"net/http"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

// answer is a transport that answers every request with a code, or not at all if that is zero.
type answer int

func (a answer) RoundTrip(*http.Request) (*http.Response, error) {
	if a == 0 {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: int(a), Body: http.NoBody}, nil
}

// A process is restarted if nothing but 401 came for long, and for no other reason.
func TestCheck(t *testing.T) {
	const no = http.StatusUnauthorized
	for _, test := range []struct {
		reason  string
		answers []answer // One each minute.
		fails   bool
	}{
		{"nothing was asked", nil, false},
		{"all is well", []answer{200, 200, 200, 200, 200, 200, 200}, false},
		{"its token is not accepted", []answer{200, no, no, no, no, no, no}, true},
		{"not for long", []answer{no, no, no, no}, false},
		{"one answer of 401, and no other since", []answer{no, 0, 0, 0, 0, 0}, true},
		{"the API server is away", []answer{200, 0, 0, 0, 0, 0, 0, 0}, false},
		{"it lacks permissions", []answer{403, 403, 403, 403, 403, 403, 403}, false},
		{"its token was accepted in between", []answer{no, no, no, 200, no, no, no}, false},
		{"what is forbidden was accepted in between", []answer{no, no, no, 403, no, no, no}, false},
		{"its token is accepted again", []answer{no, no, no, no, no, no, no, 200}, false},
	} {
		clock := clocktesting.NewFakePassiveClock(time.Unix(0, 0))
		watch := NewWatch(clock)
		for _, answer := range test.answers {
			request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x", nil)
			if response, err := watch.Wrap(answer).RoundTrip(request); err == nil {
				_ = response.Body.Close()
			}
			clock.SetTime(clock.Now().Add(time.Minute))
		}
		if err := watch.Check(nil); (err != nil) != test.fails {
			t.Errorf("%s: error %v, want one: %v", test.reason, err, test.fails)
		}
	}
}
