package store

import (
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

// Page is one page of a list, in the form that Kubernetes has for it.
type Page[T any] struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []T `json:"items"`
}

// Executions returns a page of the executions of a namespace for which keep is true.
func (s *Store) Executions(
	ctx context.Context,
	namespace string,
	wanted PageRequest,
	keep func(*dispatcherv1alpha1.JobExecution) bool,
) (*Page[dispatcherv1alpha1.JobExecution], error) {
	return readPage(ctx, s, resourceExecutions, namespace, wanted, keep)
}

// Templates returns a page of the JobTemplates of a namespace.
func (s *Store) Templates(
	ctx context.Context,
	namespace string,
	wanted PageRequest,
) (*Page[dispatcherv1alpha1.JobTemplate], error) {
	all := func(*dispatcherv1alpha1.JobTemplate) bool { return true }
	return readPage(ctx, s, resourceTemplates, namespace, wanted, all)
}

// readPage reads a page in as few parts as its limits allow.
func readPage[T any](
	ctx context.Context,
	s *Store,
	resource, namespace string,
	wanted PageRequest,
	keep func(*T) bool,
) (*Page[T], error) {
	// A caller that hangs up would look like an API server that is away. The time is bounded.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), listTimeout)
	defer cancel()
	page := &Page[T]{Items: []T{}}
	size, largest, token := 0, wanted.Limit, wanted.Continue
	for range maxListRequests {
		largest = min(largest, wanted.Limit-len(page.Items))
		part := &Page[T]{}
		read, err := s.list(ctx, resource, namespace, wanted.Selector, largest, token, part)
		switch {
		case errors.Is(err, errListTooLarge) && largest > 1:
			largest /= 2
			continue
		case apierrors.IsBadRequest(err) && token != "":
			return nil, problem.New(problem.InvalidRequest, "invalid query parameter continue").
				At("continue", "must be what the page before says in metadata.continue").Because(err)
		case err != nil:
			return nil, translateCall(err, Target{Namespace: namespace})
		}
		size += read
		token = part.Continue
		page.TypeMeta, page.ListMeta = part.TypeMeta, part.ListMeta
		for i := range part.Items {
			if keep(&part.Items[i]) {
				page.Items = append(page.Items, part.Items[i])
			}
		}
		if token == "" || len(page.Items) == wanted.Limit || size >= maxListBytes {
			break
		}
	}
	return page, nil
}

// errListTooLarge is for a list of more than maxListBytes.
var errListTooLarge = errors.New("the list is too large to be read at once")

// list reads the beginning of a list, or where it goes on after a token, into into, and returns its size in bytes. It
// reads no more than maxListBytes: objects may have a MiB each, and memory is shared by all callers.
func (s *Store) list(
	ctx context.Context,
	resource, namespace, selector string,
	limit int,
	token string,
	into any,
) (int, error) {
	request := about(s.dispatcher.Get(), resource, namespace).Param("limit", strconv.Itoa(limit))
	if selector != "" {
		request.Param("labelSelector", selector)
	}
	if token != "" {
		request.Param("continue", token)
	}
	stream, err := request.Stream(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = stream.Close() }()
	body, err := io.ReadAll(io.LimitReader(stream, maxListBytes+1))
	switch {
	case err != nil:
		return 0, fmt.Errorf("reading a list: %w", err)
	case len(body) > maxListBytes:
		return 0, errListTooLarge
	}
	if err := json.Unmarshal(body, into); err != nil {
		return 0, fmt.Errorf("decoding a list: %w", err)
	}
	return len(body), nil
}
