package sandbox

import "time"

// What a worker may take. The Deployment's memory limit has room for the manager and two workers at these limits: see
// the comment at GOMEMLIMIT in config/manager/deployment.yaml. It must have: where a container runs out of memory,
// Kubernetes lets the kernel end all its processes.
const (
	// maxMemory is what a worker may allocate beyond what its start took. More fails, which ends a Go process. The
	// heap of a render that keeps to the renderer's own limits stays below.
	maxMemory = 96 << 20

	// heapTarget makes the worker's garbage collector work harder before garbage meets maxMemory.
	heapTarget = 72 << 20

	// maxStack ends a recursion. Go's own limit is 1 GB.
	maxStack = 16 << 20

	// maxFiles is a worker's RLIMIT_NOFILE: its three pipes, and what Go's poller needs.
	maxFiles = 16
)

// What a worker keeps between requests.
const (
	// maxTemplates and maxTemplateBytes bound the compiled templates of one worker, by number and by encoded size.
	// Compiled templates take a multiple of their size.
	maxTemplates     = 256
	maxTemplateBytes = 4 << 20

	// maxGarbage is the size of the heap at which a worker collects garbage before the next request. While it works, its
	// one thread can make garbage faster than Go collects it.
	maxGarbage = 16 << 20

	// maxRetained is the size of the live heap at which a worker forgets its templates, so that what earlier requests
	// left behind never makes a later one fail.
	maxRetained = 32 << 20
)

// maxEncodings bounds the encoded templates that the pool keeps for later requests, in bytes.
const maxEncodings = 4 << 20

// What makes a flow heavy. Heavy flows never hold all workers.
const (
	// heavyCPU is the CPU time of a request that makes its flow heavy, and heavyFor is for how long.
	heavyCPU = 200 * time.Millisecond
	heavyFor = time.Minute

	// manyHeavy is how many flows of an origin must be heavy before new flows of it are heavy, too.
	manyHeavy = 3

	// rememberedFlows bounds the memory.
	rememberedFlows = 1024
)

// What the pool waits for.
const (
	// startTimeout is the time for a worker to say that it is ready. It takes some 30 ms on an idle machine.
	startTimeout = 30 * time.Second

	// minRestart and maxRestart bound the pause before a worker is started that could not be started before.
	minRestart = 100 * time.Millisecond
	maxRestart = 10 * time.Second
)

// limits bound what one request may take. Tests use smaller ones.
type limits struct {
	// jobCPU and examineCPU are the CPU time of a request. It says the same on every machine, busy or not, so a
	// request that takes more is refused for good. An examination renders up to five times.
	jobCPU, examineCPU time.Duration

	// wall is the time on the clock, for a worker that hangs or is starved of CPU. It says nothing about the template.
	wall time.Duration

	// wait is how long a request waits for a free worker.
	wait time.Duration

	// proof is how long a worker without requests has to live before a start counts as one that worked.
	proof time.Duration

	// reap is the time for a process to be gone that was killed, or has closed its pipe.
	reap time.Duration
}

var defaultLimits = limits{
	jobCPU:     1500 * time.Millisecond,
	examineCPU: 2 * time.Second,
	wall:       20 * time.Second,
	wait:       5 * time.Second,
	proof:      5 * time.Second,
	reap:       10 * time.Second,
}
