package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// pprofAddress is where the manager serves its profiles while they are taken.
const pprofAddress = "127.0.0.1:18999"

// profile takes CPU profiles while a turn runs, of the API server and, in a turn of Dispatcher, of the manager, and
// what the manager has allocated until then.
func (b *bench) profile(ctx context.Context, c contender, callers, round int) (stop func()) {
	if b.profiles == "" {
		return func() {}
	}
	name := strings.ReplaceAll(fmt.Sprintf("%s-%d-callers-round-%d", c.name, callers, round+1), " ", "-")
	// A turn waits a moment before it begins.
	seconds := strconv.Itoa(int(b.turn.Seconds()) + 2)
	var running sync.WaitGroup
	running.Go(func() {
		content, err := b.apiServer.client.Get().AbsPath("/debug/pprof/profile").Param("seconds", seconds).DoRaw(ctx)
		b.keep(name+".apiserver.cpu", content, err)
	})
	if c.name == dispatcher {
		running.Go(func() { b.fetch(ctx, "profile?seconds="+seconds, name+".manager.cpu") })
	}
	return func() {
		running.Wait()
		if c.name == dispatcher {
			b.fetch(ctx, "allocs", name+".manager.allocs")
			b.fetch(ctx, "heap", name+".manager.heap")
		}
	}
}

// fetch takes a profile from the manager.
func (b *bench) fetch(ctx context.Context, what, name string) {
	content, err := download(ctx, "http://"+pprofAddress+"/debug/pprof/"+what)
	b.keep(name, content, err)
}

// keep writes a profile. One that is missing ends nothing.
func (b *bench) keep(name string, content []byte, err error) {
	if err == nil {
		err = os.WriteFile(filepath.Join(b.profiles, name), content, 0o644)
	}
	if err != nil {
		progress("profile %s: %v", name, err)
	}
}

func download(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	return io.ReadAll(response.Body)
}
