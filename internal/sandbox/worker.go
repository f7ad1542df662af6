package sandbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/lru"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/render"
)

// Command is the first argument of this program that makes it a render worker. There is no other argument.
const Command = "render-worker"

// Work is a render worker: it confines itself and answers requests from standard input to standard output, until there
// are no more. Its error ends the process, and so does a render that takes too much.
func Work() error {
	return work(func() render.Renderer { return render.NewDirect(maxTemplates) })
}

func work(newRenderer func() render.Renderer) error {
	runtime.GOMAXPROCS(1)
	debug.SetMaxStack(maxStack)
	debug.SetMemoryLimit(heapTarget)
	debug.FreeOSMemory() // What the start of a program with this many packages leaves behind.
	if err := confine(); err != nil {
		return err
	}
	return (&worker{newRenderer: newRenderer}).serve(os.Stdin, os.Stdout)
}

// worker answers one request after the other.
type worker struct {
	newRenderer func() render.Renderer
	renderer    render.Renderer
	templates   *lru.Cache // digest to *JobTemplate
	bytes       int        // of the encoded templates since the cache was emptied
}

func (w *worker) serve(in io.Reader, out io.Writer) error {
	w.forget()
	requests := bufio.NewReaderSize(in, 16<<10)
	// Nobody has asked: this says that the worker is ready.
	if err := send(out, &answer{}); err != nil {
		return err
	}
	for {
		content, err := readFrame(requests)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading a request: %w", err)
		}
		reply, err := w.answer(content)
		if err != nil {
			return err
		}
		if err := send(out, reply); err != nil {
			return err
		}
		w.tidy()
	}
}

func send(out io.Writer, a *answer) error {
	frame, err := a.frame()
	if errors.Is(err, errFrameTooLarge) {
		tooLarge := field.Invalid(jobTemplatePath, field.OmitValueType{}, "what it renders to is too large")
		frame, err = (&answer{errs: field.ErrorList{tooLarge}}).frame()
	}
	if err != nil {
		return err
	}
	_, err = out.Write(frame)
	return err
}

// tidy prepares for the next request: what this one left behind must not count for it.
func (w *worker) tidy() {
	if heap("/memory/classes/heap/objects:bytes") < maxGarbage && w.bytes <= maxTemplateBytes {
		return
	}
	runtime.GC()
	if w.bytes > maxTemplateBytes || heap("/gc/heap/live:bytes") > maxRetained {
		w.forget()
	}
}

// forget drops all templates.
func (w *worker) forget() {
	w.renderer, w.templates, w.bytes = w.newRenderer(), lru.New(maxTemplates), 0
}

func (w *worker) answer(content []byte) (*answer, error) {
	r, err := parseRequest(content)
	if err != nil {
		return nil, fmt.Errorf("a request cannot be read: %w", err)
	}
	template, err := w.template(r)
	if err != nil {
		return nil, err
	}
	if template == nil {
		return &answer{unknown: true}, nil
	}
	// The pool sees to the CPU time. The renderer's own clock would come first on a machine that is busy.
	ctx, cancel := context.WithTimeout(context.Background(), defaultLimits.wall)
	defer cancel()
	if r.kind == kindExamine {
		return w.examine(ctx, template), nil
	}
	return w.job(ctx, template, r), nil
}

// template returns the template of a request, or nil where it is not known.
func (w *worker) template(r *request) (*dispatcherv1alpha1.JobTemplate, error) {
	if known, ok := w.templates.Get(r.hash); ok {
		return known.(*dispatcherv1alpha1.JobTemplate), nil
	}
	if len(r.template) == 0 {
		return nil, nil
	}
	template, err := decodeTemplate(r.template)
	if err != nil {
		return nil, err
	}
	if r.kind != kindExamine { // What is examined may never be stored.
		w.templates.Add(r.hash, template)
		w.bytes += len(r.template)
	}
	return template, nil
}

func (w *worker) job(ctx context.Context, template *dispatcherv1alpha1.JobTemplate, r *request) *answer {
	execution := &dispatcherv1alpha1.JobExecution{}
	execution.Name, execution.Namespace, execution.Spec.Payload = r.name, template.Namespace, r.payload
	execution.Spec.JobTemplateName, execution.Spec.Caller = template.Name, r.caller
	rendering := w.renderer.Render(ctx, template, execution)
	if len(rendering.Errors) > 0 {
		return &answer{errs: rendering.Errors}
	}
	return &answer{needsTrial: rendering.NeedsTrial, jobs: textsOf(template, rendering.Job)}
}

func (w *worker) examine(ctx context.Context, template *dispatcherv1alpha1.JobTemplate) *answer {
	found := w.renderer.Examine(ctx, template)
	return &answer{
		errs:          found.Errors,
		warnings:      found.Warnings,
		usesMetadata:  found.UsesMetadata,
		payloadFields: found.PayloadFields,
		jobs:          textsOf(template, found.Jobs...),
	}
}

func textsOf(template *dispatcherv1alpha1.JobTemplate, jobs ...*batchv1.Job) [][]render.Rendered {
	texts := make([][]render.Rendered, len(jobs))
	for i, job := range jobs {
		texts[i] = render.Texts(template, job)
	}
	return texts
}

// heap reads a metric of Go's runtime.
func heap(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
