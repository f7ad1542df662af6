package httpapi

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"unicode/utf8"

	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// checkEncoding refuses what this version cannot do as it is asked, before the body is read.
func checkEncoding(r *http.Request) error {
	if encoding := strings.Join(r.Header.Values("Content-Encoding"), ", "); encoding != "" &&
		!strings.EqualFold(encoding, "identity") {
		// RFC 9110, section 15.5.16: Accept-Encoding tells which codings would have been accepted.
		return problem.New(problem.UnsupportedEncoding,
			"the payload is taken as it is sent: send it without Content-Encoding").
			WithHeader("Accept-Encoding", "identity")
	}
	if r.Header.Get("Content-Range") != "" {
		// RFC 9110, section 14.5: a partial PUT that is taken for a whole one would corrupt.
		return problem.New(problem.InvalidRequest, "a payload cannot be sent in parts: send it without Content-Range")
	}
	return nil
}

// readPayload reads the body as it was sent, whatever its Content-Type. A body that is declared too large is refused
// unread, so a client that sent Expect: 100-continue never sends it.
func readPayload(w http.ResponseWriter, r *http.Request, limit int64) (string, error) {
	tooLarge := problem.New(problem.PayloadTooLarge, "the payload is larger than the %d bytes that are accepted", limit).
		WithHeader("Connection", "close")
	if r.ContentLength > limit {
		return "", tooLarge.Because(fmt.Errorf("the request declares %d bytes", r.ContentLength))
	}
	var payload strings.Builder
	payload.Grow(int(max(r.ContentLength, 0)))
	if _, err := io.Copy(&payload, http.MaxBytesReader(w, r.Body, limit)); err != nil {
		if tooMany := (*http.MaxBytesError)(nil); errors.As(err, &tooMany) {
			return "", tooLarge.Because(err)
		}
		if slow := net.Error(nil); errors.As(err, &slow) && slow.Timeout() {
			return "", problem.New(problem.RequestTimeout, "the payload did not arrive within %s", readTimeout).
				WithHeader("Connection", "close").Because(err)
		}
		return "", problem.New(problem.InvalidRequest, "the payload could not be read to its end").
			WithHeader("Connection", "close").Because(err)
	}
	if at := firstInvalidByte(payload.String()); at >= 0 {
		notText := problem.New(problem.InvalidRequest, "the payload is not UTF-8 text")
		notText.At("payload", fmt.Sprintf("is not valid UTF-8 at byte %d", at))
		return "", notText
	}
	return payload.String(), nil
}

// firstInvalidByte returns the offset of the first byte that is not UTF-8, or -1.
func firstInvalidByte(text string) int {
	if utf8.ValidString(text) {
		return -1
	}
	for at := 0; at < len(text); {
		char, size := utf8.DecodeRuneInString(text[at:])
		if char == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
	return -1
}
