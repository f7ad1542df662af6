package httpapi

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"dispatcher.ivan.vc/internal/httpapi/problem"
)

// mediaType is a form in which an answer can be had.
type mediaType string

const (
	mediaJSON mediaType = "application/json"

	// mediaYAML is that of RFC 9512.
	mediaYAML mediaType = "application/yaml"

	// mediaText is a log.
	mediaText mediaType = "text/plain"

	// mediaEvents is a stream of server-sent events.
	mediaEvents mediaType = "text/event-stream"
)

// objectTypes are the forms of every answer that is a Kubernetes object.
var objectTypes = []mediaType{mediaJSON, mediaYAML}

// negotiate returns which of the offers a caller likes best, by its Accept header (RFC 9110, section 12.5.1). The first
// offer is for callers that say nothing or like several equally.
func negotiate(r *http.Request, offers ...mediaType) (mediaType, error) {
	accept := strings.TrimSpace(strings.Join(r.Header.Values("Accept"), ","))
	if accept == "" {
		return offers[0], nil
	}
	best, bestQuality := mediaType(""), 0.0
	for _, offer := range offers {
		if quality := qualityOf(offer, accept); quality > bestQuality {
			best, bestQuality = offer, quality
		}
	}
	if best == "" {
		names := make([]string, 0, len(offers))
		for _, offer := range offers {
			names = append(names, string(offer))
		}
		return "", problem.New(problem.NotAcceptable, "not acceptable; supported media types: %s", strings.Join(names, ", "))
	}
	return best, nil
}

// qualityOf returns how much an Accept header likes a media type, from 0 to 1. The most specific range counts. What
// cannot be understood is passed over, and so are parameters: of each type there is one form only.
func qualityOf(offer mediaType, accept string) float64 {
	quality, specificity := 0.0, 0
	for element := range strings.SplitSeq(accept, ",") {
		mediaRange, parameters, err := mime.ParseMediaType(element)
		if err != nil {
			continue
		}
		matched := 0
		switch family, _, _ := strings.Cut(string(offer), "/"); mediaRange {
		case string(offer):
			matched = 3
		case family + "/*":
			matched = 2
		case "*/*":
			matched = 1
		}
		if matched <= specificity {
			continue
		}
		quality, specificity = 1, matched
		if text, ok := parameters["q"]; ok {
			if quality, err = strconv.ParseFloat(text, 64); err != nil {
				quality = 0
			}
		}
	}
	return quality
}
