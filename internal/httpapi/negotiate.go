package httpapi

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"dispatcher.ivan.vc/internal/render"
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
		return "", refuse(reasonNotAcceptable, "the Accept header admits none of the forms in which this answer can be had: %s", strings.Join(names, ", "))
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

// writeObject answers with a Kubernetes object in the form that was negotiated.
func writeObject(w http.ResponseWriter, form mediaType, status int, object any) error {
	var body []byte
	var err error
	if form == mediaYAML {
		body, err = render.YAML(object)
	} else if body, err = json.Marshal(object); err == nil {
		body = append(body, '\n')
	}
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	header := w.Header()
	header.Add("Vary", "Accept")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Content-Type", string(form))
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// What cannot be written any more, because the caller is gone, is not an error of ours.
	_, _ = w.Write(body)
	return nil
}
