package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// apiServer reads the API server's own metrics.
type apiServer struct {
	client *rest.RESTClient
}

func newAPIServer(config *rest.Config) (*apiServer, error) {
	client, err := rest.UnversionedRESTClientFor(unversioned(config))
	if err != nil {
		return nil, fmt.Errorf("making a client for the API server's metrics: %w", err)
	}
	return &apiServer{client: client}, nil
}

// requests are how many requests the API server has answered, and what it cost.
type requests struct {
	// ours are the writes to the objects that a contender writes, by verb and resource.
	ours map[string]float64
	// lists of the kinds that are ours, and of Jobs.
	lists float64
	// all writes of everybody.
	all float64
	// cpu is the CPU time of the API server in seconds.
	cpu float64
}

func (r requests) writes() (sum float64) {
	for _, count := range r.ours {
		sum += count
	}
	return sum
}

// since returns what has come since before.
func (r requests) since(before requests) requests {
	change := requests{
		ours:  map[string]float64{},
		lists: r.lists - before.lists,
		all:   r.all - before.all,
		cpu:   r.cpu - before.cpu,
	}
	for what, count := range r.ours {
		if count -= before.ours[what]; count != 0 {
			change.ours[what] = count
		}
	}
	return change
}

var label = regexp.MustCompile(`(\w+)="([^"]*)"`)

// read reads the metrics once.
func (a *apiServer) read(ctx context.Context) (requests, error) {
	text, err := a.client.Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return requests{}, fmt.Errorf("reading the API server's metrics: %w", err)
	}
	r := requests{ours: map[string]float64{}}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "process_cpu_seconds_total "):
			r.cpu, err = valueOf(line)
		case strings.HasPrefix(line, "apiserver_request_total{"):
			err = r.add(line)
		}
		if err != nil {
			return r, fmt.Errorf("parsing %q: %w", line, err)
		}
	}
	return r, lines.Err()
}

func valueOf(line string) (float64, error) {
	return strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
}

func (r *requests) add(line string) error {
	value, err := valueOf(line)
	if err != nil {
		return err
	}
	l := map[string]string{}
	for _, pair := range label.FindAllStringSubmatch(line, -1) {
		l[pair[1]] = pair[2]
	}
	custom := l["group"] == dispatcherv1alpha1.GroupVersion.Group || l["group"] == rawGroupVersion.Group
	jobs := l["group"] == "batch" && l["resource"] == "jobs"
	switch l["verb"] {
	case "LIST":
		if custom || jobs {
			r.lists += value
		}
	case "POST", "PUT", "PATCH", "APPLY", "DELETE":
		r.all += value
		// The Job controller writes Jobs' status and events of the core group: what is left is the contender's.
		if custom || jobs && l["subresource"] == "" || l["group"] == "events.k8s.io" {
			r.ours[strings.TrimSuffix(l["verb"]+" "+l["resource"]+"/"+l["subresource"], "/")] += value
		}
	}
	return nil
}

// settled waits until nobody writes any more, and returns the metrics then.
func (a *apiServer) settled(ctx context.Context) (requests, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	// The API server and others renew a Lease now and then.
	const idle = 3
	before, err := a.read(ctx)
	for err == nil {
		select {
		case <-ctx.Done():
			return before, fmt.Errorf("waiting until nothing is written any more: %w", ctx.Err())
		case <-time.After(400 * time.Millisecond):
		}
		var now requests
		now, err = a.read(ctx)
		if err == nil && now.all-before.all <= idle {
			return now, nil
		}
		before = now
	}
	return before, err
}

func unversioned(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.NegotiatedSerializer = clientgoscheme.Codecs.WithoutConversion()
	return config
}
