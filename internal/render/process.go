package render

import (
	"fmt"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// maxProcessString is how long one argument or one NAME=value of a process may be: Linux's MAX_ARG_STRLEN, 32 pages, with
// the NUL at its end.
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

// checkProcesses reports what a container's processes cannot be given: strings with a NUL, and strings that are too long
// for the kernel once the kubelet has expanded them.
func checkProcesses(spec *batchv1.JobTemplateSpec) field.ErrorList {
	var errs field.ErrorList
	pod, path := &spec.Spec.Template.Spec, jobTemplatePath.Child("spec", "template", "spec")
	for i := range pod.InitContainers {
		errs = append(errs, checkContainer(&pod.InitContainers[i], path.Child("initContainers").Index(i))...)
	}
	for i := range pod.Containers {
		errs = append(errs, checkContainer(&pod.Containers[i], path.Child("containers").Index(i))...)
	}
	return errs
}

func checkContainer(c *corev1.Container, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	known := lengths{}
	for i := range c.Env {
		env := &c.Env[i]
		known[env.Name] = known.expand(env.Value)
		if problem := unfit(env.Value, len(env.Name)+1+known[env.Name]); problem != "" {
			errs = append(errs, field.Invalid(path.Child("env").Index(i).Child("value"), abridged(env.Value), problem))
		}
	}
	commands := func(path *field.Path, words []string, length func(string) int) {
		for i, word := range words {
			if problem := unfit(word, length(word)); problem != "" {
				errs = append(errs, field.Invalid(path.Index(i), abridged(word), problem))
			}
		}
	}
	commands(path.Child("command"), c.Command, known.expand)
	commands(path.Child("args"), c.Args, known.expand)
	for i := range c.VolumeMounts {
		if expr := c.VolumeMounts[i].SubPathExpr; strings.Contains(expr, "\x00") {
			errs = append(errs, field.Invalid(path.Child("volumeMounts").Index(i).Child("subPathExpr"), abridged(expr), hasNUL))
		}
	}
	eachExec(c, path, func(path *field.Path, words []string, expanded bool) {
		if expanded {
			// The kubelet gives probes the values of env as they stand in the Pod, so that little is known here.
			commands(path, words, lengths{}.expand)
			return
		}
		commands(path, words, func(word string) int { return len(word) })
	})
	return errs
}

// eachExec calls visit with the commands of c's probes, which the kubelet expands, and of its hooks, which it does not.
func eachExec(c *corev1.Container, path *field.Path, visit func(path *field.Path, words []string, expanded bool)) {
	probe := func(name string, p *corev1.Probe) {
		if p != nil && p.Exec != nil {
			visit(path.Child(name, "exec", "command"), p.Exec.Command, true)
		}
	}
	probe("livenessProbe", c.LivenessProbe)
	probe("readinessProbe", c.ReadinessProbe)
	probe("startupProbe", c.StartupProbe)
	if c.Lifecycle == nil {
		return
	}
	hook := func(name string, h *corev1.LifecycleHandler) {
		if h != nil && h.Exec != nil {
			visit(path.Child("lifecycle", name, "exec", "command"), h.Exec.Command, false)
		}
	}
	hook("postStart", c.Lifecycle.PostStart)
	hook("preStop", c.Lifecycle.PreStop)
}

const hasNUL = "has a NUL byte, which no process can be given"

// unfit says why a string that will have length bytes cannot be given to a process, or nothing.
func unfit(text string, length int) string {
	switch {
	case strings.Contains(text, "\x00"):
		return hasNUL
	case length > maxProcessString:
		return fmt.Sprintf("has %d bytes, more than the %d that Linux gives to a process in one string (for a variable, with its name)", length, maxProcessString)
	}
	return ""
}

// lengths are how long the variables of a container are that are known here, by name.
type lengths map[string]int

// expand returns how long text will be when the kubelet has expanded it, at least: variables from elsewhere count as
// nothing.
func (l lengths) expand(text string) int {
	length := 0
	for {
		before, after, found := strings.Cut(text, "$")
		length += len(before)
		if !found {
			return length
		}
		closer := strings.IndexByte(after, ')')
		switch {
		case strings.HasPrefix(after, "$"):
			length, text = length+1, after[1:]
		case strings.HasPrefix(after, "(") && closer > 0:
			length, text = length+l[after[1:closer]], after[closer+1:]
		default:
			length, text = length+1, after
		}
	}
}
