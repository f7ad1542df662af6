package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"dispatcher.ivan.vc/internal/httpapi/store"
	"dispatcher.ivan.vc/internal/render"
)

// writePage answers with a page, object by object: as a whole, it would be in memory once more, and as YAML many times.
func writePage(w http.ResponseWriter, form mediaType, page *store.Page) error {
	metadata, err := encodeJSON(page.ListMeta)
	if err != nil {
		return err
	}
	metadata = bytes.TrimSuffix(metadata, []byte("\n"))
	head := fmt.Appendf(nil, `{"kind":%q,"apiVersion":%q,"metadata":%s,"items":[`, page.Kind, page.APIVersion, metadata)
	size := len(head) + len("]}\n") + max(0, len(page.Items)-1)
	for _, item := range page.Items {
		size += len(item.JSON)
	}
	header := w.Header()
	header.Add("Vary", "Accept")
	header.Set("Content-Type", string(form))
	header.Set("X-Content-Type-Options", "nosniff")
	if form == mediaJSON {
		header.Set("Content-Length", strconv.Itoa(size))
	}
	expectReader(w, size)
	w.WriteHeader(http.StatusOK)
	// What cannot be written any more, because the caller is gone, is not an error of ours.
	if form == mediaYAML {
		_ = writeYAMLPage(w, page, metadata)
	} else {
		_ = writeJSONPage(w, page, head)
	}
	return nil
}

func writeJSONPage(w io.Writer, page *store.Page, head []byte) error {
	if _, err := w.Write(head); err != nil {
		return err
	}
	for i, item := range page.Items {
		if i > 0 {
			if _, err := io.WriteString(w, ","); err != nil {
				return err
			}
		}
		if _, err := w.Write(item.JSON); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "]}\n")
	return err
}

func writeYAMLPage(w io.Writer, page *store.Page, metadata []byte) error {
	items := "items:\n"
	if len(page.Items) == 0 {
		items = "items: []\n"
	}
	if _, err := fmt.Fprintf(w, "apiVersion: %s\nkind: %s\n%s", page.APIVersion, page.Kind, items); err != nil {
		return err
	}
	for _, item := range page.Items {
		text, err := render.YAML(json.RawMessage(item.JSON))
		if err != nil {
			return err
		}
		if err := writeYAMLItem(w, text); err != nil {
			return err
		}
	}
	text, err := render.YAML(map[string]json.RawMessage{"metadata": metadata})
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// writeYAMLItem writes YAML as an element of a sequence. All lines move to the right alike, so that blocks stay what
// they are; in a block, an empty line needs no indentation.
func writeYAMLItem(w io.Writer, text []byte) error {
	indent := "- "
	for line := range bytes.Lines(text) {
		if len(line) > 1 {
			if _, err := io.WriteString(w, indent); err != nil {
				return err
			}
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
		indent = "  "
	}
	return nil
}
