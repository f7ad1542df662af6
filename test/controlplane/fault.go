package controlplane

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Once applies fault to the first request only, and lets the others pass.
func Once(fault Fault) Fault { return Nth(1, fault) }

// Nth applies fault to the n-th request only, and lets the others pass.
func Nth(n int32, fault Fault) Fault {
	var seen atomic.Int32
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if seen.Add(1) == n {
			fault(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	}
}

// Before calls do, and then cuts the connection: the API server never sees the request.
func Before(do func()) Fault {
	return func(http.ResponseWriter, *http.Request, http.Handler) {
		do()
		panic(http.ErrAbortHandler)
	}
}

// After passes the request on, calls do when the API server has answered, and cuts the connection: what was written
// stands, and the client does not know.
func After(do func()) Fault {
	return func(_ http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(httptest.NewRecorder(), r)
		do()
		panic(http.ErrAbortHandler)
	}
}

// Hold keeps the request back until gate is closed or the client gives up.
func Hold(gate <-chan struct{}) Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		select {
		case <-gate:
			next.ServeHTTP(w, r)
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
}

// Answer answers with an error of the API server.
func Answer(status *apierrors.StatusError) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		answer := status.ErrStatus
		answer.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
		w.Header().Set("Content-Type", "application/json")
		if answer.Details != nil && answer.Details.RetryAfterSeconds > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(answer.Details.RetryAfterSeconds)))
		}
		w.WriteHeader(int(answer.Code))
		_ = json.NewEncoder(w).Encode(answer)
	}
}

// Page answers with a code and a text, as a proxy does.
func Page(code int) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		http.Error(w, http.StatusText(code), code)
	}
}

// Share applies fault to a share of the requests, from 0 to 1, and lets the others pass.
func Share(share float64, random *rand.Rand, fault Fault) Fault {
	var mu sync.Mutex // A rand.Rand is not safe for concurrent use.
	chosen := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return random.Float64() < share
	}
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if chosen() {
			fault(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	}
}

// Delay passes the request on after a while, unless the client gives up before.
func Delay(wait time.Duration) Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		select {
		case <-time.After(wait):
			next.ServeHTTP(w, r)
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
}

// Unreachable cuts every connection: for its client the API server is down.
func Unreachable() Fault { return Before(func() {}) }
