package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"dispatcher.ivan.vc/internal/webhook/fairqueue"
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
	text, values *fairqueue.Queue
}

func newReviews() *reviews {
	return &reviews{
		text:   fairqueue.New(textCapacity, textCapacity/2, textCapacity/4),
		values: fairqueue.New(valueCapacity, valueCapacity/2, valueCapacity/4),
	}
}

// limit reads a request, within limits, and hands it to next. A request that has to wait too long for its share is
// answered with 429, which the API server repeats after a second.
func (l *reviews) limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refusal := refuseHeaders(r); refusal != 0 {
			turnAway(w, refusal, http.StatusText(refusal))
			return
		}
		origin := originOf(r)
		ctx, cancel := context.WithTimeout(WithAddress(r.Context(), origin.Address), Timeout)
		defer cancel()
		release, ok := acquire(ctx, l.text, origin, r.ContentLength*textPerByte+textPerReview)
		if !ok {
			tooMany(w)
			return
		}
		defer release()

		body, err := readBody(w, r)
		if err != nil {
			turnAway(w, http.StatusBadRequest, "the body could not be read")
			return
		}
		values := countValues(body)
		if values.number() > maxValues {
			refuseReview(w, body)
			return
		}
		if weight := values.weight(); weight > freeValues {
			release, ok := acquire(ctx, l.values, origin, weight)
			if !ok {
				tooMany(w)
				return
			}
			defer release()
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// originOf returns what a request counts for: its address, and there the large or the small requests.
func originOf(r *http.Request) fairqueue.Origin {
	origin := fairqueue.Origin{Address: addressOf(r.RemoteAddr), Flow: "small"}
	if r.ContentLength >= largeBody {
		origin.Flow = "large"
	}
	return origin
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

func acquire(ctx context.Context, queue *fairqueue.Queue, origin fairqueue.Origin, weight int64) (func(), bool) {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	release, err := queue.Acquire(ctx, origin, weight)
	return release, err == nil
}

func tooMany(w http.ResponseWriter) {
	w.Header().Set("Retry-After", strconv.Itoa(int(time.Second.Seconds())))
	turnAway(w, http.StatusTooManyRequests, "too many admission requests: try again later")
}

// readBody reads the whole body. The time for that ends with the server's ReadTimeout, which is then taken back:
// where it passes while the request is handled, net/http takes the caller for gone.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		return nil, fmt.Errorf("reading the body: %w", err)
	}
	if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("removing the read deadline: %w", err)
	}
	return body, nil
}

// refuseReview answers a review whose object has too many values.
func refuseReview(w http.ResponseWriter, body []byte) {
	turnedAway.WithLabelValues(strconv.Itoa(http.StatusUnprocessableEntity)).Inc()
	asked := struct {
		Request struct {
			UID  types.UID               `json:"uid"`
			Kind metav1.GroupVersionKind `json:"kind"`
			Name string                  `json:"name"`
		} `json:"request"`
	}{}
	_ = json.Unmarshal(body, &asked) // Without a UID, the API server refuses the answer.
	kind := schema.GroupKind{Group: asked.Request.Kind.Group, Kind: asked.Request.Kind.Kind}
	where := field.NewPath("spec")
	if kind.Kind == "JobTemplate" {
		where = where.Child("jobTemplate") // Nothing else of it can be as large.
	}
	tooMany := field.Invalid(where, field.OmitValueType{},
		fmt.Sprintf("consists of more than %d values: leave some out", maxValues))
	refusal := apierrors.NewInvalid(kind, asked.Request.Name, field.ErrorList{tooMany}).Status()
	review := admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "AdmissionReview"},
		Response: &admissionv1.AdmissionResponse{UID: asked.Request.UID, Result: &refusal},
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review) // The caller is gone.
}
