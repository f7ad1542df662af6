package server

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"dispatcher.ivan.vc/internal/fairqueue"
)

// post returns a request as the API server sends it, from an address.
func post(address, body string) *http.Request {
	request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	request.RemoteAddr = address + ":1234"
	return request
}

// recorder is a response that takes deadlines.
type recorder struct{ *httptest.ResponseRecorder }

func (recorder) SetReadDeadline(time.Time) error { return nil }

func serve(handler http.Handler, request *http.Request) *httptest.ResponseRecorder {
	answer := recorder{httptest.NewRecorder()}
	handler.ServeHTTP(answer, request)
	return answer.ResponseRecorder
}

func TestRequestsThatTheAPIServerDoesNotSend(t *testing.T) {
	change := func(change func(r *http.Request)) *http.Request {
		request := post("10.0.0.1", review)
		change(request)
		return request
	}
	for _, test := range []struct {
		reason  string
		request *http.Request
		want    int
	}{
		{"a review", post("10.0.0.1", review), http.StatusOK},
		{"another method", change(func(r *http.Request) { r.Method = http.MethodGet }), http.StatusMethodNotAllowed},
		{"a body of unknown length", change(func(r *http.Request) { r.ContentLength = -1 }), http.StatusLengthRequired},
		{"no body", post("10.0.0.1", ""), http.StatusLengthRequired},
		{"a body that is too large", change(func(r *http.Request) { r.ContentLength = maxBodyBytes + 1 }),
			http.StatusRequestEntityTooLarge},
		{"a body that ends early", change(func(r *http.Request) { r.ContentLength++ }), http.StatusBadRequest},
		{"another media type", change(func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }),
			http.StatusUnsupportedMediaType},
	} {
		asked := false
		counter := turnedAway.WithLabelValues(strconv.Itoa(test.want))
		before := testutil.ToFloat64(counter)
		answer := serve(newReviews().limit(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			asked = true
			if body, err := io.ReadAll(r.Body); string(body) != review || err != nil {
				t.Errorf("%s: the webhook got %q, %v", test.reason, body, err)
			}
			if got := Address(r.Context()); got != "10.0.0.1" {
				t.Errorf("%s: from %q", test.reason, got)
			}
			if deadline, bounded := r.Context().Deadline(); !bounded || time.Until(deadline) > Timeout {
				t.Errorf("%s: it may take longer than the API server waits", test.reason)
			}
		})), test.request)
		if answer.Code != test.want || asked != (test.want == http.StatusOK) {
			t.Errorf("%s: got %d, want %d; the webhook was asked: %v", test.reason, answer.Code, test.want, asked)
		}
		if counted := testutil.ToFloat64(counter) > before; counted == asked {
			t.Errorf("%s: counted: %v", test.reason, counted)
		}
	}
}

// controller-runtime's decoder takes more forms than JSON, and in these, countValues does not see what it decodes.
func TestABodyIsOneJSONObject(t *testing.T) {
	const flow = `{apiVersion: admission.k8s.io/v1, kind: AdmissionReview, request: {uid: x`
	utf16 := func(first ...byte) string {
		for _, b := range []byte(review) {
			first = append(first, b, 0)
		}
		return string(first)
	}
	for _, test := range []struct {
		reason, body string
		want         int
	}{
		{"JSON", review, http.StatusOK},
		{"JSON after white space", "\r\n\t " + review, http.StatusOK},
		{"JSON before white space", review + "\n", http.StatusOK},
		{"a block of YAML", "kind: AdmissionReview\nrequest:\n  object:\n" + strings.Repeat("  -\n", 1000),
			http.StatusBadRequest},
		{"YAML in flow style", flow + `}}`, http.StatusBadRequest},
		{"YAML whose quote ends no string", flow + `, y: '"', object: [` + strings.Repeat("~,", 1000) + `~]}}`,
			http.StatusBadRequest},
		{"YAML with a quote in a comment", flow + " #\"\n, object: [~, ~]}}", http.StatusBadRequest},
		{"a YAML document before JSON", "---\n" + review, http.StatusBadRequest},
		{"protobuf", "k8s\x00\n\x0b", http.StatusBadRequest},
		{"CBOR", "\xd9\xd9\xf7\xa0", http.StatusBadRequest},
		{"a byte order mark", "\xef\xbb\xbf" + review, http.StatusBadRequest},
		{"white space that JSON does not have", "\u00a0" + review, http.StatusBadRequest},
		{"UTF-16", utf16(), http.StatusBadRequest},
		{"UTF-16 with a byte order mark", utf16(0xff, 0xfe), http.StatusBadRequest},
		{"two objects", review + review, http.StatusBadRequest},
		{"a YAML document after JSON", review + "\n---\n- - -\n", http.StatusBadRequest},
		{"bytes after the object", review + "x", http.StatusBadRequest},
		{"a zero byte after the object", review + "\x00", http.StatusBadRequest},
		{"an object that does not end", review[:len(review)-1], http.StatusBadRequest},
		{"a string that does not end", `{"request":"`, http.StatusBadRequest},
		{"a comma too many", `{"request":{},}`, http.StatusBadRequest},
		{"a list", "[" + review + "]", http.StatusBadRequest},
		{"null", "null", http.StatusBadRequest},
		{"a string", `"{}"`, http.StatusBadRequest},
		{"white space", "  \n", http.StatusBadRequest},
		{"lists in lists without end", `{"a":` + strings.Repeat("[", 20_000), http.StatusBadRequest},
	} {
		asked := false
		handler := newReviews().limit(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
		if answer := serve(handler, post("10.0.0.1", test.body)); answer.Code != test.want {
			t.Errorf("%s: got %d, want %d", test.reason, answer.Code, test.want)
		}
		if asked != (test.want == http.StatusOK) {
			t.Errorf("%s: the webhook was asked: %v", test.reason, asked)
		}
	}
}

// Decoded, an empty object, and null in its place, takes hundreds of times its bytes.
func TestAnObjectOfVeryManyValuesIsRefusedAsAReview(t *testing.T) {
	many := func(item string) string { return "[" + strings.Repeat(item+",", 600_000) + item + "]" }
	for reason, object := range map[string]string{
		"objects":                 `{"containers":` + many(`{}`) + `}`,
		"null":                    `{"containers":` + many(`null`) + `}`,
		"null in a status":        `{"status":{"conditions":` + many(`null`) + `}}`,
		"empty strings":           `{"args":` + many(`""`) + `}`,
		"numbers":                 `{"containers":` + many(`0`) + `}`,
		"labels":                  `{"labels":{` + strings.Repeat(`"a":"",`, 600_000) + `"b":""}}`,
		"a list below fieldsV1":   `{"payload":{"fieldsV1":` + many(`null`) + `}}`,
		"a list deeper in there":  `{"payload":{"fieldsV1":{"a":` + many(`{}`) + `}}}`,
		"just more than the most": `{"a":[` + strings.Repeat("0,", maxValues) + `0]}`,
	} {
		body := strings.Replace(review, `{}`, object, 1)
		let := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Errorf("%s: it was let through", reason) })
		answer := serve(newReviews().limit(let), post("10.0.0.1", body))
		got := admissionv1.AdmissionReview{}
		if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil || answer.Code != http.StatusOK {
			t.Fatalf("%s: got %d, %v: %s", reason, answer.Code, err, answer.Body)
		}
		if r := got.Response; r == nil || r.UID != "1" || r.Allowed || r.Result.Reason != metav1.StatusReasonInvalid ||
			r.Result.Details.Causes[0].Field != "spec" {
			t.Errorf("%s: got %+v", reason, r)
		}
	}
}

// An update sends the object twice, each with the fields that its manager owns.
func TestAnUpdateOfALargeTemplateIsLetThrough(t *testing.T) {
	variable := `{"name":"A_VARIABLE","value":"some, value"},`
	owned := `"k:{\"name\":\"A_VARIABLE\"}":{".":{},"f:name":{},"f:value":{}},`
	object := `{"metadata":{"managedFields":[{"fieldsV1":{` + strings.Repeat(owned, 2000) + `"z":{}}}]},"spec":{"env":[` +
		strings.Repeat(variable, 2000) + `{}]}}`
	let := false
	handler := newReviews().limit(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { let = true }))
	serve(handler, post("10.0.0.1", strings.Replace(review, `{}`, object+`,"oldObject":`+object, 1)))
	if !let {
		t.Error("it was refused")
	}
}

func TestCountValues(t *testing.T) {
	for _, test := range []struct {
		reason, body      string
		elements, members int
	}{
		{"an empty list", `[]`, 1, 0},
		{"null", `[null,null,null]`, 3, 0},
		{"nested", `{"a":{"b":[{},{}],"c":1}}`, 6, 1},
		{"in strings", `{"a":"{,}","b\"{":"\\","c":"\"{["}`, 1, 2},
		{"field managers' fields do not count", `{"m":[{"fieldsV1":{"f:a":{".":{},"}":{}},"b":{}},"x":{}}],"y":{}}`, 5, 2},
		{"with a list, they do", `{"fieldsV1":{"a":[0,0]}}`, 4, 0},
		{"that key with something else", `{"fieldsV1":"{","x":{}}`, 2, 1},
		{"that key as a value", `{"a":"fieldsV1","b":{}}`, 2, 1},
	} {
		if !json.Valid([]byte(test.body)) {
			t.Fatalf("%s: not JSON", test.reason)
		}
		if got := countValues([]byte(test.body)); got != (values{test.elements, test.members}) {
			t.Errorf("%s: %+v, want %d and %d", test.reason, got, test.elements, test.members)
		}
	}
}

func TestWeightOfValues(t *testing.T) {
	if got, want := (values{elements: 2, members: 3}).weight(), int64(2*perElement+3*perMember); got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}

// However much one address sends, another one is answered, and the memory for all of it is bounded.
func TestStrangersLeaveRoomForTheAPIServer(t *testing.T) {
	for _, test := range []struct {
		reason, object string
	}{
		{"large reviews", `{"a":"` + strings.Repeat("x", 1<<20) + `"}`},
		{"reviews of many values", `{"a":[` + strings.Repeat("0,", maxValues/4) + `0]}`},
		{"small reviews", `{}`},
	} {
		synctest.Test(t, func(t *testing.T) {
			body := strings.Replace(review, `{}`, test.object, 1)
			inside, most := 0, 0
			var mutex sync.Mutex
			end := make(chan struct{})
			handler := newReviews().limit(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if Address(r.Context()) != "10.6.6.6" {
					return
				}
				mutex.Lock()
				inside++
				most = max(most, inside)
				mutex.Unlock()
				<-end
				mutex.Lock()
				inside--
				mutex.Unlock()
			}))
			statuses := map[int]int{}
			var strangers sync.WaitGroup
			for range 300 {
				strangers.Go(func() {
					answer := serve(handler, post("10.6.6.6", body))
					mutex.Lock()
					defer mutex.Unlock()
					statuses[answer.Code]++
				})
			}
			synctest.Wait()
			if answer := serve(handler, post("10.0.0.1", review)); answer.Code != http.StatusOK {
				t.Errorf("%s: the API server got %d", test.reason, answer.Code)
			}
			time.Sleep(3*queueTimeout + 1) // for all queues, in synctest's time, which takes none
			synctest.Wait()
			close(end)
			strangers.Wait()
			weight := len(body)*textPerByte + textPerReview + int(countValues([]byte(body)).weight())
			if most*weight > smallText+largeText || most == 0 {
				t.Errorf("%s: %d of one address at once", test.reason, most)
			}
			if statuses[http.StatusOK] != most || statuses[http.StatusTooManyRequests] != 300-most {
				t.Errorf("%s: %v, %d at once", test.reason, statuses, most)
			}
		})
	}
}

// A stranger may come from the API server's own address, for example from a pod in the network of its node, and a user's
// large templates do. Neither those that are handled nor those that arrive slowly keep small ones waiting.
func TestLargeReviewsLeaveRoomForSmallOnes(t *testing.T) {
	for _, size := range []int{1 << 20, 3 << 20, maxBodyBytes - 1024} {
		for _, arrive := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				end := make(chan struct{})
				handler := newReviews().limit(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					if r.ContentLength >= largeBody {
						<-end
					}
				}))
				large := strings.Replace(review, `{}`, `{"a":"`+strings.Repeat("x", size)+`"}`, 1)
				var strangers sync.WaitGroup
				for i := range 30 {
					request := post(fmt.Sprintf("10.0.0.%d", i%3), large)
					if !arrive {
						request.Body = io.NopCloser(slowBody{end})
					}
					strangers.Go(func() { serve(handler, request) })
				}
				synctest.Wait()
				for i := range 4 {
					address := fmt.Sprintf("10.0.0.%d", i) // The last one sends nothing large.
					if answer := serve(handler, post(address, review)); answer.Code != http.StatusOK {
						t.Errorf("%d bytes, which arrive: %v: %s got %d", size, arrive, address, answer.Code)
					}
				}
				close(end)
				strangers.Wait()
			})
		}
	}
}

// However many large reviews a stranger sends, those of the API server are answered, also one that is as large as can be.
func TestLargeReviewsOfStrangersLeaveRoomForThoseOfTheAPIServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		handler := newReviews().limit(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if Address(r.Context()) == "10.6.6.6" {
				<-end
			}
		}))
		sized := func(size int) string {
			return strings.Replace(review, `{}`, `{"a":"`+strings.Repeat("x", size)+`"}`, 1)
		}
		var strangers sync.WaitGroup
		for range 30 {
			strangers.Go(func() { serve(handler, post("10.6.6.6", sized(1<<20))) })
		}
		synctest.Wait()
		for _, size := range []int{1 << 20, maxBodyBytes - 1024} {
			if answer := serve(handler, post("10.0.0.1", sized(size))); answer.Code != http.StatusOK {
				t.Errorf("%d bytes: got %d", size, answer.Code)
			}
		}
		close(end)
		strangers.Wait()
	})
}

// What a request counted as while its body arrived is free again, also where the body ends early.
func TestBodiesThatEndEarlyTakeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := newReviews().limit(http.HandlerFunc(fine))
		for range 2 * smallArriving / (largeBody - 1) {
			request := post("10.0.0.1", review)
			request.ContentLength = largeBody - 1
			if answer := serve(handler, request); answer.Code != http.StatusBadRequest {
				t.Fatalf("got %d", answer.Code)
			}
		}
	})
}

// slowBody does not arrive before it ends.
type slowBody struct{ end chan struct{} }

func (s slowBody) Read([]byte) (int, error) {
	<-s.end
	return 0, io.ErrUnexpectedEOF
}

func TestTooManyIsWorthARetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reviews := newReviews()
		release, err := reviews.text.small.Acquire(t.Context(), fairqueue.Origin{Address: "x"}, smallText)
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		begun := time.Now()
		answer := serve(reviews.limit(http.NotFoundHandler()), post("10.0.0.1", review))
		if waited := time.Since(begun); waited != queueTimeout {
			t.Errorf("it waited for %v", waited)
		}
		if answer.Code != http.StatusTooManyRequests || answer.Header().Get("Retry-After") != "1" {
			t.Errorf("got %d with %v", answer.Code, answer.Header())
		}
	})
}

// A caller that stops in the middle of its headers or its body is cut off.
func TestSlowCallersAreCutOff(t *testing.T) {
	r := run(t, Options{}, fine)
	var callers sync.WaitGroup // They wait side by side.
	for _, begun := range []string{
		"POST /hook HTTP/1.1\r\nHost: x\r\n",
		"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
		"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n{",
	} {
		connection, err := tls.Dial("tcp", r.address, &tls.Config{RootCAs: r.authority.pool()})
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		if _, err := fmt.Fprint(connection, begun); err != nil {
			t.Fatal(err)
		}
		callers.Go(func() {
			// It ends, with an answer or without. Else the test's own time-out ends it.
			if _, err := io.Copy(io.Discard, connection); err != nil {
				t.Logf("%v", err)
			}
		})
	}
	callers.Wait()
}

// The time for reading a body ends before the time for the answer. The webhook must not be told that its caller has
// gone.
func TestTheTimeForTheBodyIsNotThatForTheAnswer(t *testing.T) {
	deadlines := []time.Time{}
	answer := deadlineRecorder{httptest.NewRecorder(), &deadlines}
	newReviews().limit(http.HandlerFunc(fine)).ServeHTTP(answer, post("10.0.0.1", review))
	if len(deadlines) != 2 || deadlines[0].IsZero() || !deadlines[1].IsZero() {
		t.Errorf("read deadlines were set to %v, want one for the body, and none at the end", deadlines)
	}
}

type deadlineRecorder struct {
	*httptest.ResponseRecorder
	set *[]time.Time
}

func (r deadlineRecorder) SetReadDeadline(deadline time.Time) error {
	*r.set = append(*r.set, deadline)
	return nil
}
