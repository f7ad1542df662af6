package httpapi

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// pageRequest is which page of a list is wanted.
type pageRequest struct {
	limit           int
	token, selector string
}

// pageOf reads the parameters of a page.
func pageOf(query map[string]string) (pageRequest, error) {
	wanted := pageRequest{limit: defaultListLimit, token: query["continue"]}
	if text, ok := query["limit"]; ok {
		limit, err := strconv.Atoi(text)
		if err != nil || limit < 1 || limit > maxListLimit {
			return pageRequest{}, refuseParameter("limit", fmt.Sprintf("must be a number from 1 to %d", maxListLimit))
		}
		wanted.limit = limit
	}
	return wanted, nil
}

// objectPage is one page of a list, in the form that Kubernetes has for it.
type objectPage[T any] struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []T `json:"items"`
}

// readPage reads a page in as few parts as its limits allow, and keeps those objects for which keep is true.
func readPage[T any](ctx context.Context, api *apiServer, resource string, named target, wanted pageRequest, keep func(*T) bool) (*objectPage[T], error) {
	// A caller that hangs up would look like an API server that is away. The time is bounded.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), listTimeout)
	defer cancel()
	page := &objectPage[T]{Items: []T{}}
	size, largest, token := 0, wanted.limit, wanted.token
	for range maxListRequests {
		largest = min(largest, wanted.limit-len(page.Items))
		part := &objectPage[T]{}
		read, err := api.list(ctx, resource, named.namespace, wanted.selector, largest, token, part)
		switch {
		case errors.Is(err, errListTooLarge) && largest > 1:
			largest /= 2
			continue
		case apierrors.IsBadRequest(err) && token != "":
			return nil, refuseParameter("continue", "must be what the page before says in metadata.continue").because(err)
		case err != nil:
			return nil, translateCall(err, named)
		}
		size += read
		token = part.Continue
		page.TypeMeta, page.ListMeta = part.TypeMeta, part.ListMeta
		for i := range part.Items {
			if keep(&part.Items[i]) {
				page.Items = append(page.Items, part.Items[i])
			}
		}
		if token == "" || len(page.Items) == wanted.limit || size >= maxListBytes {
			break
		}
	}
	return page, nil
}
