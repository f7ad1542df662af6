package render

import (
	"fmt"
	"math"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"dispatcher.ivan.vc/internal/gotemplate"
)

// maxProcessString is how long one argument or one NAME=value of a process may be: Linux's MAX_ARG_STRLEN, 32 pages,
// with the NUL at its end.
const maxProcessString = 32*4096 - 1

// expandedFields are the fields that the kubelet expands, see pkg/kubelet/container/helpers.go and
// pkg/kubelet/kubelet_pods.go in k8s.io/kubernetes. The commands of lifecycle hooks are not among them.
var expandedFields = func() map[string]bool {
	fields := map[string]bool{}
	for _, containers := range []string{"containers", "initContainers", "ephemeralContainers"} {
		for _, name := range []string{
			"command", "args", "env.value", "volumeMounts.subPathExpr",
			"livenessProbe.exec.command", "readinessProbe.exec.command", "startupProbe.exec.command",
		} {
			fields["spec.template.spec."+containers+"."+name] = true
		}
	}
	return fields
}()

// checkProcesses reports what a container's processes cannot be given: strings with a NUL, and strings that are too
// long for the kernel once the kubelet has expanded them.
func checkProcesses(spec *batchv1.JobTemplateSpec) field.ErrorList {
	c := processChecker{}
	pod := &spec.Spec.Template.Spec
	for i := range pod.InitContainers {
		c.container(&pod.InitContainers[i], "initContainers", i)
	}
	for i := range pod.Containers {
		c.container(&pod.Containers[i], "containers", i)
	}
	return c.errs
}

// processChecker checks the containers of a pod. It makes paths for errors only: nearly all Jobs have none.
type processChecker struct {
	list  string
	index int
	errs  field.ErrorList
}

func (c *processChecker) container(container *corev1.Container, list string, index int) {
	c.list, c.index = list, index
	variables := make(lengths, len(container.Env))
	for i := range container.Env {
		env := &container.Env[i]
		variables[env.Name] = variables.expand(env.Value)
		if problem := processProblem(env.Value, len(env.Name)+1+variables[env.Name]); problem != "" {
			c.report(c.path().Child("env").Index(i).Child("value"), env.Value, problem)
		}
	}
	c.words(container.Command, variables.expand, "command")
	c.words(container.Args, variables.expand, "args")
	for i := range container.VolumeMounts {
		if expr := container.VolumeMounts[i].SubPathExpr; strings.Contains(expr, "\x00") {
			c.report(c.path().Child("volumeMounts").Index(i).Child("subPathExpr"), expr, hasNUL)
		}
	}
	c.probe(container.LivenessProbe, "livenessProbe")
	c.probe(container.ReadinessProbe, "readinessProbe")
	c.probe(container.StartupProbe, "startupProbe")
	if lifecycle := container.Lifecycle; lifecycle != nil {
		c.hook(lifecycle.PostStart, "postStart")
		c.hook(lifecycle.PreStop, "preStop")
	}
}

// probe checks the command of a probe. The kubelet expands it with the values of env as they stand in the Pod, which
// are not what the container gets: little is known of its length here.
func (c *processChecker) probe(p *corev1.Probe, name string) {
	if p != nil && p.Exec != nil {
		c.words(p.Exec.Command, lengths(nil).expand, name, "exec", "command")
	}
}

// hook checks the command of a lifecycle hook, which the kubelet does not expand.
func (c *processChecker) hook(h *corev1.LifecycleHandler, name string) {
	if h != nil && h.Exec != nil {
		c.words(h.Exec.Command, func(word string) int { return len(word) }, "lifecycle", name, "exec", "command")
	}
}

func (c *processChecker) words(words []string, length func(string) int, fields ...string) {
	for i, word := range words {
		if problem := processProblem(word, length(word)); problem != "" {
			c.report(c.path().Child(fields[0], fields[1:]...).Index(i), word, problem)
		}
	}
}

// path is the path of the container.
func (c *processChecker) path() *field.Path {
	return jobTemplatePath.Child("spec", "template", "spec", c.list).Index(c.index)
}

func (c *processChecker) report(path *field.Path, text, problem string) {
	quoted := gotemplate.Excerpt(text, max(strings.IndexByte(text, 0), 0))
	c.errs = append(c.errs, field.Invalid(path, quoted, problem))
}

const hasNUL = "has a NUL byte, which no process can be given"

// processProblem says why a string that will have length bytes cannot be given to a process, or nothing.
func processProblem(text string, length int) string {
	switch {
	case strings.Contains(text, "\x00"):
		return hasNUL
	case length > maxProcessString:
		return fmt.Sprintf(
			"is %d bytes long; Linux allows %d bytes for one argument, or for one variable with its name: put it into an "+
				"annotation of the pod, and mount that as a file (docs/templates.md)",
			length,
			maxProcessString,
		)
	}
	return ""
}

// lengths are how long the variables of a container are that are known here, by name.
type lengths map[string]int

// expand returns how long text will be when the kubelet has expanded it, at least: variables from elsewhere count as
// nothing.
func (l lengths) expand(text string) int {
	length := 0
	unclosed := false // there is no ) any more
	for {
		before, after, found := strings.Cut(text, "$")
		length += len(before)
		if !found {
			return min(length, math.MaxInt32) // Variables can double more often than an int has bits.
		}
		length, text = length+1, after
		if strings.HasPrefix(after, "$") {
			text = after[1:]
			continue
		}
		if unclosed || !strings.HasPrefix(after, "(") {
			continue
		}
		name, rest, closed := strings.Cut(after[1:], ")")
		if !closed {
			unclosed = true
			continue
		}
		length, text = length-1+l[name], rest
	}
}
