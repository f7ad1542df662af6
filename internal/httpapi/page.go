package httpapi

import (
	"fmt"
	"strconv"

	"dispatcher.ivan.vc/internal/httpapi/store"
)

// pageOf reads the parameters of a page.
func pageOf(query map[string]string) (store.PageRequest, error) {
	wanted := store.PageRequest{Limit: defaultListLimit, Continue: query["continue"]}
	if text, ok := query["limit"]; ok {
		limit, err := strconv.Atoi(text)
		if err != nil || limit < 1 || limit > maxListLimit {
			return store.PageRequest{}, refuseParameter("limit", fmt.Sprintf("must be a number from 1 to %d", maxListLimit))
		}
		wanted.Limit = limit
	}
	return wanted, nil
}
