package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"dispatcher.ivan.vc/internal/connections"
	"dispatcher.ivan.vc/internal/fairqueue"
)

type addressKey struct{}

// Address returns the address that the request of ctx came from, empty where there is none.
func Address(ctx context.Context) string {
	address, _ := ctx.Value(addressKey{}).(string)
	return address
}

// WithAddress returns a context of a request from address.
func WithAddress(ctx context.Context, address string) context.Context {
	return context.WithValue(ctx, addressKey{}, address)
}

// reviews lets requests through to the webhooks as far as time and memory allow.
type reviews struct {
	arriving, arrived, text, values memory
}

// memory is shared by requests. Large ones never take what small ones need.
type memory struct {
	small, large *fairqueue.Queue

	// largeFrom is the weight from which a request is large, most the one that larger ones count as.
	largeFrom, most int64
}

// newMemory returns memory of which an address gets at most half, and a flow of an address at most a part of that.
func newMemory(small, large, largeFrom, parts int64) memory {
	return memory{
		small:     fairqueue.New(small, small/2, small/2/parts),
		large:     fairqueue.New(large, large/2, large/2/parts),
		largeFrom: largeFrom,
		most:      large / 2,
	}
}

func newReviews() *reviews {
	return &reviews{
		arriving: newMemory(smallArriving, largeArriving, largeBody, 1), // The namespace is not known yet.
		arrived:  newMemory(smallArriving, largeArriving, largeBody, 2),
		text:     newMemory(smallText, largeText, largeBody*textPerByte+textPerReview, 2),
		values:   newMemory(smallValues, largeValues, manyValues, 2),
	}
}

// limit reads a request, within limits, and hands it to next. A request that has to wait too long for its share is
// answered with 429, which the API server repeats after a second. Once the body is there, the namespaces that reviews
// name take turns: an API server sends those of all its users from one address.
func (l *reviews) limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refusal := refuseHeaders(r); refusal != 0 {
			turnAway(w, refusal, http.StatusText(refusal))
			return
		}
		origin := fairqueue.Origin{Address: connections.AddressOf(r.RemoteAddr)}
		ctx, cancel := context.WithTimeout(WithAddress(r.Context(), origin.Address), Timeout)
		defer cancel()
		endArriving, ok := l.arriving.acquire(ctx, origin, r.ContentLength, queueTimeout)
		if !ok {
			tooMany(w)
			return
		}
		defer endArriving()
		body, fault := readObject(w, r)
		if fault != "" {
			turnAway(w, http.StatusBadRequest, fault)
			return
		}
		origin.Flow = namespaceOf(body)
		// What waits counts as arriving, so bodies of one namespace must not take all the memory for that.
		endWaiting, ok := l.arrived.acquire(ctx, origin, r.ContentLength, arrivedTimeout)
		if !ok {
			tooMany(w)
			return
		}
		defer endWaiting()
		release, ok := l.text.acquire(ctx, origin, r.ContentLength*textPerByte+textPerReview, queueTimeout)
		if !ok {
			tooMany(w)
			return
		}
		defer release()
		endWaiting() // The text counts the body, too.
		endArriving()

		if hasLongNames(body) {
			turnAway(w, http.StatusBadRequest, "the names in the review are too long")
			return
		}
		values := countValues(body)
		if reason := notDecoded(r.URL.Path, body, values); reason != "" {
			refuseReview(w, body, reason)
			return
		}
		endValues, ok := l.acquireValues(ctx, origin, values.weight())
		if !ok {
			tooMany(w)
			return
		}
		defer endValues()
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// readObject reads the body of a request, which must be a JSON object. Otherwise fault says what is wrong.
func readObject(w http.ResponseWriter, r *http.Request) (body []byte, fault string) {
	body, err := readBody(w, r)
	switch {
	case err != nil:
		return nil, "the body could not be read"
	case !isJSONObject(body):
		return nil, "the body must be one JSON object"
	}
	return body, ""
}

// acquireValues waits for the memory of decoded values. A few need none.
func (l *reviews) acquireValues(ctx context.Context, origin fairqueue.Origin, weight int64) (func(), bool) {
	if weight <= freeValues {
		return func() {}, true
	}
	return l.values.acquire(ctx, origin, weight, queueTimeout)
}

// notDecoded returns why the object in body must not be decoded, or "".
func notDecoded(path string, body []byte, values values) string {
	switch {
	case !strings.HasPrefix(path, UndecodedPrefix) && hasCostlyQuantity(body):
		return fmt.Sprintf("a quantity has more than %d digits, or more than %d in its exponent",
			maxQuantityDigits, maxExponentDigits)
	case values.number() > maxValues:
		return fmt.Sprintf("consists of more than %d values: leave some out", maxValues)
	}
	return ""
}

// refuseHeaders returns the status of a request that is refused before its body is read, or 0. The API server always
// sends a Content-Length.
func refuseHeaders(r *http.Request) int {
	switch {
	case r.Method != http.MethodPost:
		return http.StatusMethodNotAllowed
	case r.ContentLength <= 0:
		return http.StatusLengthRequired
	case r.ContentLength > maxBodyBytes:
		return http.StatusRequestEntityTooLarge
	case r.Header.Get("Content-Type") != "application/json":
		return http.StatusUnsupportedMediaType
	}
	return 0
}

// acquire waits for weight, and returns false where that takes longer than timeout.
func (m memory) acquire(
	ctx context.Context, origin fairqueue.Origin, weight int64, timeout time.Duration,
) (func(), bool) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	queue := m.small
	if weight >= m.largeFrom {
		queue = m.large
	}
	release, err := queue.Acquire(ctx, origin, min(weight, m.most))
	return release, err == nil
}

func tooMany(w http.ResponseWriter) {
	w.Header().Set("Retry-After", strconv.Itoa(int(time.Second.Seconds())))
	turnAway(w, http.StatusTooManyRequests, "too many admission requests: try again later")
}

// readBody reads the whole body, within a time that depends on its length. That ends with the body: a deadline that
// passes while the request is handled makes net/http take the caller for gone.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	control := http.NewResponseController(w)
	allowed := bodyTimeout + time.Duration(r.ContentLength)*time.Second/bodyRate
	if err := control.SetReadDeadline(time.Now().Add(allowed)); err != nil {
		return nil, fmt.Errorf("setting the read deadline: %w", err)
	}
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		return nil, fmt.Errorf("reading the body: %w", err)
	}
	if err := control.SetReadDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("removing the read deadline: %w", err)
	}
	return body, nil
}

// isJSONObject tells whether body is one JSON object and nothing else, as the API server sends it. controller-runtime
// also decodes YAML and protobuf, whose values countValues does not see.
func isJSONObject(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) && json.Valid(body)
}

// refuseReview answers a review whose object would take too much to decode. detail says why.
func refuseReview(w http.ResponseWriter, body []byte, detail string) {
	turnedAway.WithLabelValues(strconv.Itoa(http.StatusUnprocessableEntity)).Inc()
	asked := struct {
		Request struct {
			UID  types.UID               `json:"uid"`
			Kind metav1.GroupVersionKind `json:"kind"`
			Name string                  `json:"name"`
		} `json:"request"`
	}{}
	// Without a UID, the API server refuses the answer. Names have no other case, as where they are bounded.
	_ = utiljson.Unmarshal(body, &asked)
	kind := schema.GroupKind{Group: asked.Request.Kind.Group, Kind: asked.Request.Kind.Kind}
	where := field.NewPath("spec")
	if kind.Kind == "JobTemplate" {
		where = where.Child("jobTemplate") // Nothing else of it can be as large.
	}
	invalid := field.Invalid(where, field.OmitValueType{}, detail)
	refusal := apierrors.NewInvalid(kind, asked.Request.Name, field.ErrorList{invalid}).Status()
	review := admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "AdmissionReview"},
		Response: &admissionv1.AdmissionResponse{UID: asked.Request.UID, Result: &refusal},
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review) // The caller is gone.
}
