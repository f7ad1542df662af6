package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"dispatcher.ivan.vc/internal/httpapi/budget"
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
// unread, so a client that sent Expect: 100-continue never sends it. The claim is the memory that the payload takes
// until it is stored; the caller must release it.
func readPayload(
	w http.ResponseWriter,
	r *http.Request,
	limit int64,
	memory *memory,
) (payload string, claim *budget.Claim, err error) {
	tooLarge := problem.New(problem.PayloadTooLarge, "the payload is larger than the %d bytes that are accepted", limit).
		WithHeader("Connection", "close")
	if r.ContentLength > limit {
		return "", nil, tooLarge.Because(fmt.Errorf("the request declares %d bytes", r.ContentLength))
	}
	body := newPacedReader(http.MaxBytesReader(w, r.Body, limit), w, r)
	defer body.end()
	text, claim, err := readAll(r.Context(), r.RemoteAddr, body, r.ContentLength, limit, memory)
	if err != nil {
		claim.Release()
		slow := net.Error(nil)
		tooMany := (*http.MaxBytesError)(nil)
		switch {
		case errors.As(err, &tooMany):
			return "", nil, tooLarge.Because(err)
		case errors.As(err, &slow) && slow.Timeout():
			return "", nil, problem.New(problem.RequestTimeout,
				"the payload arrived more slowly than %d bytes a second", minBodyRate).
				WithHeader("Connection", "close").Because(err)
		case errors.Is(err, budget.ErrExhausted):
			return "", nil, problem.New(problem.TooManyRequests, "too many payloads are being stored already: try again later").
				WithHeader("Connection", "close").Because(err)
		}
		return "", nil, problem.New(problem.InvalidRequest, "the payload could not be read to its end").
			WithHeader("Connection", "close").Because(err)
	}
	if at := firstInvalidByte(text); at >= 0 {
		claim.Release()
		return "", nil, problem.New(problem.InvalidRequest, "the payload is not UTF-8 text").
			At("payload", fmt.Sprintf("is not valid UTF-8 at byte %d", at))
	}
	return text, claim, nil
}

// readAll reads a body in two steps, so that one that trickles in takes little memory, and one that takes more has
// all that it needs: bodies that wait for each other in the middle would never end.
func readAll(
	ctx context.Context,
	remote string,
	body *pacedReader,
	declared, limit int64,
	memory *memory,
) (string, *budget.Claim, error) {
	claim, err := memory.firstPieces.Take(ctx, remote, firstPiece)
	if err != nil {
		return "", nil, err
	}
	size := declared
	if size < 0 {
		size = limit
	}
	var text strings.Builder
	text.Grow(int(min(size, firstPiece)))
	_, err = io.Copy(&text, io.LimitReader(body, firstPiece))
	if err != nil || body.ended || declared == int64(text.Len()) {
		return text.String(), claim, err
	}
	claim.Release()
	resume := body.pause()
	claim, err = memory.bodies.Take(ctx, remote, size*bodyCopies)
	resume() // Also for net/http, which reads on after a refusal: without a time-out it would do so for ever.
	if err != nil {
		return "", nil, err
	}
	if declared > 0 {
		text.Grow(int(declared) - text.Len())
	}
	_, err = io.Copy(&text, body)
	claim.Shrink(int64(text.Len()) * bodyCopies)
	return text.String(), claim, err
}

// pacedReader fails with a time-out where, after the time-out of any request, less than minBodyRate arrives. Its clock
// starts with the first Read: what comes before is not the caller's time.
type pacedReader struct {
	from       io.Reader
	connection *http.ResponseController
	http2      bool
	grace      time.Duration
	begun      time.Time
	read       int64
	ended      bool
}

func newPacedReader(from io.Reader, w http.ResponseWriter, r *http.Request) *pacedReader {
	p := &pacedReader{
		from:       from,
		connection: http.NewResponseController(w),
		http2:      r.ProtoMajor == 2,
		grace:      readTimeout,
		ended:      r.ContentLength == 0,
	}
	if server, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok {
		p.grace = server.ReadTimeout
	}
	return p
}

// Read implements io.Reader. After the end, which is the beginning where there is no body, net/http has lifted the
// time-out for reading, and waits for the caller to hang up: another time-out would look like that.
func (p *pacedReader) Read(into []byte) (int, error) {
	if p.ended {
		return 0, io.EOF
	}
	if p.begun.IsZero() {
		p.begun = time.Now()
	}
	p.setDeadline()
	read, err := p.from.Read(into)
	p.read += int64(read)
	p.ended = err != nil
	return read, err
}

// setDeadline is for what is read next.
func (p *pacedReader) setDeadline() {
	// A connection that cannot do this, which is one of a test, has no time-outs either.
	_ = p.connection.SetReadDeadline(p.begun.Add(p.grace + time.Duration(p.read)*time.Second/minBodyRate))
}

// pause stops the clock until the function that it returns is called.
func (p *pacedReader) pause() (resume func()) {
	paused := time.Now()
	_ = p.connection.SetReadDeadline(time.Time{})
	return func() {
		p.begun = p.begun.Add(time.Since(paused))
		p.setDeadline()
	}
}

// end lifts the time-out where net/http does not: on a stream of HTTP/2.
func (p *pacedReader) end() {
	if p.http2 {
		_ = p.connection.SetReadDeadline(time.Time{})
	}
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
