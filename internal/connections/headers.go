package connections

import "net/http"

// maxHeaders bounds the headers of a request. Each takes memory for as long as the request is handled, also where it is
// some bytes short.
const maxHeaders = 100

// LimitHeaders answers a request with too many headers, or with too many trailers announced, with 431.
func LimitHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		number := len(r.Trailer)
		for _, values := range r.Header {
			number += len(values)
		}
		if number > maxHeaders {
			w.Header().Set("Connection", "close")
			code := http.StatusRequestHeaderFieldsTooLarge
			http.Error(w, http.StatusText(code), code)
			return
		}
		next.ServeHTTP(w, r)
	})
}
