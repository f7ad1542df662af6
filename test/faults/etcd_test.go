package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// event is a change of one key in etcd.
type event struct {
	key     string
	value   []byte
	deleted bool
}

// follower reads the changes of all keys with a prefix, from the first on, without a gap: where it is cut off, it goes
// on at the revision where it was. A watch of the API server could not do that across a restart of it.
//
// It speaks the JSON form of etcd's API, which needs no client library.
type follower struct {
	url, prefix string
	next        int64
	record      func(event)
}

// watchResponse is etcd's, as far as it is used. Byte strings are in base64, and numbers are strings.
type watchResponse struct {
	Result struct {
		CompactRevision string `json:"compact_revision"`
		Canceled        bool   `json:"canceled"`
		Events          []struct {
			Type string `json:"type"` // "DELETE", or left out for a PUT
			KV   struct {
				Key         []byte `json:"key"`
				Value       []byte `json:"value"`
				ModRevision string `json:"mod_revision"`
			} `json:"kv"`
		} `json:"events"`
	} `json:"result"`
}

// run follows until ctx ends, across all that etcd goes through. It returns an error if it lost its place.
func (f *follower) run(ctx context.Context) error {
	f.next = 1
	for {
		lost, err := f.follow(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case lost:
			return err
		}
		pause(ctx, 100*time.Millisecond)
	}
}

func (f *follower) follow(ctx context.Context) (lost bool, err error) {
	end := []byte(f.prefix)
	end[len(end)-1]++
	body, err := json.Marshal(map[string]any{"create_request": map[string]any{
		"key": []byte(f.prefix), "range_end": end, "start_revision": strconv.FormatInt(f.next, 10),
	}})
	if err != nil {
		return true, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url+"/v3/watch", bytes.NewReader(body))
	if err != nil {
		return true, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	for decoder := json.NewDecoder(response.Body); ; {
		var answer watchResponse
		if err := decoder.Decode(&answer); err != nil {
			return false, err
		}
		if answer.Result.Canceled {
			return answer.Result.CompactRevision != "", fmt.Errorf("etcd has dropped what is older than revision %s",
				answer.Result.CompactRevision)
		}
		for _, e := range answer.Result.Events {
			revision, err := strconv.ParseInt(e.KV.ModRevision, 10, 64)
			if err != nil {
				return true, err
			}
			f.next = revision + 1
			f.record(event{key: string(e.KV.Key), value: e.KV.Value, deleted: e.Type == "DELETE"})
		}
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
