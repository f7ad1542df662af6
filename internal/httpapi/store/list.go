package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/problem"
	"dispatcher.ivan.vc/internal/refusal"
)

// PageRequest is which page of a list is wanted.
type PageRequest struct {
	// Limit is how many objects the page has at most.
	Limit int
	// Continue is the Continue of the page before, empty for the first.
	Continue string
	// Selector is a label selector, empty for all.
	Selector string
}

// Page is one page of a list.
type Page struct {
	metav1.TypeMeta
	metav1.ListMeta
	Items []Item
}

// Item is one object of a page. It is encoded already, so that of a page no more is in memory than its text.
type Item struct {
	CreatedAt metav1.Time
	JSON      []byte
}

// Executions returns a page of the executions of a namespace for which keep is true.
func (s *Store) Executions(
	ctx context.Context,
	namespace string,
	wanted PageRequest,
	keep func(*dispatcherv1alpha1.JobExecution) bool,
) (*Page, error) {
	return readPage(ctx, s, resourceExecutions, namespace, wanted, func(execution *dispatcherv1alpha1.JobExecution) bool {
		execution.SetMissingTimes()
		return keep(execution)
	})
}

// Templates returns a page of the JobTemplates of a namespace.
func (s *Store) Templates(ctx context.Context, namespace string, wanted PageRequest) (*Page, error) {
	all := func(*dispatcherv1alpha1.JobTemplate) bool { return true }
	return readPage(ctx, s, resourceTemplates, namespace, wanted, all)
}

// object is what a list is of.
type object[T any] interface {
	*T
	metav1.Object
}

// readPage reads a page in pieces that the API server can answer within the page's bytes: it would read the rest for
// nothing. The first has few objects, and tells how many the next can have.
func readPage[T any, O object[T]](
	ctx context.Context,
	s *Store,
	resource, namespace string,
	wanted PageRequest,
	keep func(O) bool,
) (*Page, error) {
	// A caller that hangs up would look like an API server that is away. The time is bounded.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), listTimeout)
	defer cancel()
	page := &Page{Items: []Item{}}
	size, seen, next, token := 0, 0, firstListPiece, wanted.Continue
	for range maxListRequests {
		next = max(1, min(next, wanted.Limit-len(page.Items)))
		var items []Item
		part := &piece[T, O]{each: func(object O) error {
			if !keep(object) {
				return nil
			}
			item, err := newItem(object)
			items = append(items, item)
			return err
		}}
		err := s.list(ctx, resource, namespace, wanted.Selector, next, token, MaxListBytes-size, part)
		if errors.Is(err, errListTooLarge) && next == 1 && size > 0 {
			break // It is for the next page.
		}
		switch {
		case errors.Is(err, errListTooLarge) && next > 1:
			next = min(next/2, max(1, part.count-1))
			continue
		case apierrors.IsBadRequest(err) && !refusal.ByProxy(err) && token != "":
			return nil, problem.New(problem.InvalidRequest, "invalid query parameter continue").
				At("continue", "must be metadata.continue of the previous page").Because(err)
		case err != nil:
			return nil, translateCall(err, Target{Namespace: namespace})
		}
		size, seen, token = size+part.size, seen+part.count, part.Continue
		page.TypeMeta, page.ListMeta = part.TypeMeta, part.ListMeta
		page.Items = append(page.Items, items...)
		if token == "" || len(page.Items) == wanted.Limit || size >= MaxListBytes {
			break
		}
		next = (MaxListBytes - size) / max(1, size/max(1, seen))
	}
	return page, nil
}

// errListTooLarge is for a list of more bytes than were to be read.
var errListTooLarge = errors.New("the list is too large to be read at once")

// list reads the beginning of a list, or where it goes on after a token, into a piece. It reads no more than so many
// bytes: objects may have a MiB each, and memory is shared by all callers.
func (s *Store) list(
	ctx context.Context,
	resource, namespace, selector string,
	limit int,
	token string,
	size int,
	into io.ReaderFrom,
) error {
	request := about(s.dispatcher.Get(), resource, namespace).Param("limit", strconv.Itoa(limit))
	if selector != "" {
		request.Param("labelSelector", selector)
	}
	if token != "" {
		request.Param("continue", token)
	}
	stream, err := request.Stream(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	bounded := &io.LimitedReader{R: stream, N: int64(size) + 1}
	_, err = into.ReadFrom(bounded)
	if bounded.N == 0 {
		return errListTooLarge
	}
	return err
}

// piece is a part of a list, as the API server answers with it. It is decoded object by object.
type piece[T any, O object[T]] struct {
	metav1.TypeMeta
	metav1.ListMeta

	each func(O) error

	// count is how many objects there were, and size how many bytes.
	count, size int
}

// ReadFrom implements io.ReaderFrom.
func (p *piece[T, O]) ReadFrom(stream io.Reader) (int64, error) {
	decoder := json.NewDecoder(stream)
	err := p.decode(decoder)
	p.size = int(decoder.InputOffset())
	if err != nil {
		err = fmt.Errorf("decoding a list: %w", err)
	}
	return decoder.InputOffset(), err
}

func (p *piece[T, O]) decode(decoder *json.Decoder) error {
	if err := expect(decoder, '{'); err != nil {
		return err
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return err
		}
		switch key {
		case "apiVersion":
			err = decoder.Decode(&p.APIVersion)
		case "kind":
			err = decoder.Decode(&p.Kind)
		case "metadata":
			err = decoder.Decode(&p.ListMeta)
		case "items":
			err = p.decodeItems(decoder)
		default:
			err = decoder.Decode(&json.RawMessage{})
		}
		if err != nil {
			return err
		}
	}
	return expect(decoder, '}')
}

func (p *piece[T, O]) decodeItems(decoder *json.Decoder) error {
	switch got, err := decoder.Token(); {
	case err != nil:
		return err
	case got == nil:
		return nil // An empty list of Go may be written as null.
	case got != json.Delim('['):
		return fmt.Errorf("got %v, want [", got)
	}
	for decoder.More() {
		item := O(new(T))
		if err := decoder.Decode(item); err != nil {
			return err
		}
		p.count++
		if err := p.each(item); err != nil {
			return err
		}
	}
	return expect(decoder, ']')
}

// newItem encodes an object.
func newItem(object metav1.Object) (Item, error) {
	object.SetManagedFields(nil)
	var encoded bytes.Buffer
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(false) // This is no HTML, and would make some payloads six times as long.
	if err := encoder.Encode(object); err != nil {
		return Item{}, err
	}
	return Item{CreatedAt: object.GetCreationTimestamp(), JSON: bytes.Clone(bytes.TrimSpace(encoded.Bytes()))}, nil
}

// expect takes the next token, which has to be this one.
func expect(decoder *json.Decoder, want json.Delim) error {
	got, err := decoder.Token()
	if err == nil && got != want {
		err = fmt.Errorf("got %v, want %s", got, want)
	}
	return err
}
