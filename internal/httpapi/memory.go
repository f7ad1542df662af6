package httpapi

import (
	"context"
	"net/http"
	"net/netip"

	"dispatcher.ivan.vc/internal/httpapi/budget"
	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// memory is what calls may take, all together, of the memory that the manager has. Each part has a bound of its own,
// so that large payloads do not keep executions from being read, nor lists either of them. A source address has at most
// a quarter of each.
type memory struct {
	// firstPieces are the beginnings of bodies, and bodies are those that are longer, until they are stored.
	firstPieces, bodies *budget.Bytes

	// reads are single objects that are read and answered with.
	reads *budget.Bytes

	// lists are pages of lists.
	lists *budget.Bytes
}

func newMemory(shared budget.Addresses) *memory {
	return &memory{
		firstPieces: budget.NewBytes(firstPiecesBudget, memoryTimeout, shared),
		bodies:      budget.NewBytes(bodiesBudget, bodyTurnTimeout, shared),
		reads:       budget.NewBytes(readsBudget, memoryTimeout, shared),
		lists:       budget.NewBytes(listsBudget, listTurnTimeout, shared),
	}
}

// forRead takes what reading one object for a remote address needs, which is empty where it is for all who wait: they
// have taken that of their shares.
func (m *memory) forRead(ctx context.Context, remote string) (*budget.Claim, error) {
	return readable(m.reads.Take(ctx, remote, readBytes))
}

// sharesOfReads implements watch.Shares.
type sharesOfReads struct{ *memory }

// Source implements watch.Shares.
func (s sharesOfReads) Source(remote string) netip.Addr { return s.reads.Source(remote) }

// Try implements watch.Shares.
func (s sharesOfReads) Try(remote string) *budget.Claim {
	return s.reads.TryTakeApart(remote, 0, readBytes)
}

// Take implements watch.Shares.
func (s sharesOfReads) Take(ctx context.Context, remote string) (*budget.Claim, error) {
	return readable(s.reads.TakeApart(ctx, remote, 0, readBytes))
}

func readable(claim *budget.Claim, err error) (*budget.Claim, error) {
	if err != nil {
		return nil, problem.New(problem.TooManyRequests, "too many objects are being read already: try again later").
			Because(err)
	}
	return claim, nil
}

// forPreview takes what the template and the Job of a preview need, as they are read, rendered and answered with.
func (m *memory) forPreview(r *http.Request) (*budget.Claim, error) {
	claim, err := m.reads.Take(r.Context(), r.RemoteAddr, 2*readBytes)
	if err != nil {
		return nil, problem.New(problem.TooManyRequests, "too many previews are being made already: try again later").
			Because(err)
	}
	return claim, nil
}

// answerMemory takes what the body of an answer needs beyond what was claimed for its object. It implements
// watch.Memory.
type answerMemory struct {
	from *budget.Bytes
	w    http.ResponseWriter
	r    *http.Request
}

// Try implements watch.Memory.
func (a answerMemory) Try(all, share int64) *budget.Claim {
	return a.from.TryTakeApart(a.r.RemoteAddr, all, share)
}

// Await implements watch.Memory.
func (a answerMemory) Await(all, share int64) (*budget.Claim, error) {
	extendTimeouts(a.w, memoryTimeout)
	claim, err := a.from.TakeApart(a.r.Context(), a.r.RemoteAddr, all, share)
	if err != nil {
		return nil, problem.New(problem.TooManyRequests, "too many callers are being answered already: try again later").
			Because(err)
	}
	return claim, nil
}

// forList takes what a page of a list needs.
func (m *memory) forList(r *http.Request) (*budget.Claim, error) {
	claim, err := m.lists.Take(r.Context(), r.RemoteAddr, listBytes)
	if err != nil {
		return nil, problem.New(problem.TooManyRequests, "too many lists are being read already: try again later").
			Because(err)
	}
	return claim, nil
}
