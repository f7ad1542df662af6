package render

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// withPayload stands in commands for a script with the payload in it.
const withPayload = "x {{ .Payload }}"

// injections are commands in which the payload becomes part of a script. The word that has it is the one that is
// warned of.
var injections = map[string][]string{
	"sh":                             {"sh", "-c", withPayload},
	"a path":                         {"/bin/sh", "-c", withPayload},
	"another path":                   {"/usr/local/bin/bash", "-c", withPayload},
	"ash":                            {"ash", "-c", withPayload},
	"dash":                           {"dash", "-c", withPayload},
	"zsh":                            {"zsh", "-c", withPayload},
	"ksh":                            {"ksh", "-c", withPayload},
	"ksh93":                          {"ksh93", "-c", withPayload},
	"mksh":                           {"mksh", "-c", withPayload},
	"fish":                           {"fish", "-c", withPayload},
	"fish, long":                     {"fish", "--command=" + withPayload},
	"fish, long, apart":              {"fish", "--command", withPayload},
	"csh":                            {"tcsh", "-c", withPayload},
	"options before":                 {"bash", "-euo", "pipefail", "-c", withPayload},
	"options before, apart":          {"bash", "-e", "-u", "-o", "pipefail", "-c", withPayload},
	"named options":                  {"bash", "-o", "errexit", "-o", "nounset", "-c", withPayload},
	"options off":                    {"bash", "+o", "history", "+x", "-c", withPayload},
	"shopt":                          {"bash", "-O", "extglob", "-c", withPayload},
	"options together":               {"sh", "-ec", withPayload},
	"a login shell":                  {"bash", "-lc", withPayload},
	"c first":                        {"bash", "-ceuo", "pipefail", withPayload},
	"c in the middle":                {"bash", "-xec", withPayload},
	"options after c":                {"bash", "-c", "-e", withPayload},
	"dashes after c":                 {"sh", "-c", "--", withPayload},
	"a dash after c":                 {"sh", "-c", "-", withPayload},
	"long options":                   {"bash", "--norc", "--noprofile", "-c", withPayload},
	"a long option with a value":     {"bash", "--rcfile", "/rc", "-c", withPayload},
	"an option that may be left out": {"bash", `{{ if .Name }}-x{{ else }}{{ leaveOut }}{{ end }}`, "-c", withPayload},
	"arguments after":                {"sh", "-c", withPayload, "--", "a"},
	"timeout":                        {"timeout", "60", "sh", "-c", withPayload},
	"timeout with options":           {"timeout", "-k", "5", "--signal=KILL", "60", "sh", "-c", withPayload},
	"timeout of busybox":             {"timeout", "-t", "60", "sh", "-c", withPayload},
	"tini":                           {"tini", "--", "sh", "-ec", withPayload},
	"tini by path, with options":     {"/sbin/tini", "-s", "-g", "--", "bash", "-c", withPayload},
	"dumb-init":                      {"/usr/bin/dumb-init", "--", "bash", "-c", withPayload},
	"dumb-init without dashes":       {"dumb-init", "bash", "-c", withPayload},
	"env":                            {"env", "A=b", "sh", "-c", withPayload},
	"env by path":                    {"/usr/bin/env", "bash", "-c", withPayload},
	"env with options":               {"env", "-i", "-u", "HOME", "PATH=/bin", "sh", "-c", withPayload},
	"env that splits":                {"env", "-S", "bash -c '{{ .Payload }}'"},
	"su":                             {"su", "-s", "/bin/sh", "-c", withPayload},
	"su with a user":                 {"su", "user", "-c", withPayload},
	"su, a login shell":              {"su", "-", "user", "-c", withPayload},
	"su, options together":           {"su", "-lc", withPayload, "user"},
	"su, the user last":              {"su", "-s", "/bin/sh", "-c", withPayload, "nobody"},
	"su, long":                       {"su", "user", "--shell=/bin/sh", "--command=" + withPayload},
	"su with dashes":                 {"su", "user", "--", "-c", withPayload},
	"runuser":                        {"runuser", "user", "-c", withPayload},
	"runuser with a command":         {"runuser", "-u", "user", "--", "sh", "-c", withPayload},
	"sudo":                           {"sudo", "-u", "x", "sh", "-c", withPayload},
	"sudo with variables":            {"sudo", "-E", "A=b", "sh", "-c", withPayload},
	"doas":                           {"doas", "-u", "x", "sh", "-c", withPayload},
	"gosu":                           {"gosu", "postgres", "bash", "-c", withPayload},
	"su-exec, a user like a tool":    {"su-exec", "git", "sh", "-c", withPayload},
	"setpriv":                        {"setpriv", "--reuid=1000", "--clear-groups", "sh", "-c", withPayload},
	"busybox":                        {"busybox", "sh", "-c", withPayload},
	"nice":                           {"nice", "-n", "10", "sh", "-c", withPayload},
	"ionice":                         {"ionice", "-c", "2", "-n", "7", "sh", "-c", withPayload},
	"nohup":                          {"nohup", "sh", "-c", withPayload},
	"exec":                           {"exec", "sh", "-c", withPayload},
	"xargs":                          {"xargs", "-I", "{}", "-n1", "sh", "-c", withPayload},
	"find":                           {"find", ".", "-name", "*.sh", "-exec", "sh", "-c", withPayload, ";"},
	"chroot":                         {"chroot", "--userspec=1:1", "/host", "sh", "-c", withPayload},
	"nsenter":                        {"nsenter", "-t", "1", "-m", "-u", "--", "sh", "-c", withPayload},
	"setsid":                         {"setsid", "-w", "sh", "-c", withPayload},
	"stdbuf":                         {"stdbuf", "-oL", "-e", "0", "sh", "-c", withPayload},
	"time":                           {"time", "-p", "sh", "-c", withPayload},
	"unshare":                        {"unshare", "-r", "--map-root-user", "sh", "-c", withPayload},
	"flock":                          {"flock", "-w", "5", "/lock", "-c", withPayload},
	"flock with a command":           {"flock", "-n", "/lock", "sh", "-c", withPayload},
	"strace":                         {"strace", "-f", "-o", "/log", "sh", "-c", withPayload},
	"script":                         {"script", "-qec", withPayload, "/dev/null"},
	"watch":                          {"watch", "-n", "1", withPayload},
	"one wrapper in another":         {"timeout", "60", "nice", "-n", "5", "env", "-i", "bash", "-lc", withPayload},
	"ssh":                            {"ssh", "host", "{{ .Payload }}"},
	"ssh with options":               {"ssh", "-i", "/key", "-o", "BatchMode=yes", "-p", "22", "user@host", "ls", "{{ .Payload }}"},
	"ssh, by sshpass":                {"sshpass", "-e", "ssh", "host", "{{ .Payload }}"},
	"ssh, after timeout":             {"timeout", "60", "ssh", "host", "--", "{{ .Payload }}"},
	"kubectl exec":                   {"kubectl", "exec", "-it", "pod", "-c", "main", "--", "sh", "-c", withPayload},
	"kubectl exec without dashes":    {"kubectl", "exec", "pod", "sh", "-c", withPayload},
	"kubectl run":                    {"kubectl", "run", "x", "--image=alpine", "--command", "--", "sh", "-c", withPayload},
	"oc":                             {"oc", "rsh", "pod", "bash", "-c", withPayload},
	"docker run":                     {"docker", "run", "--rm", "-v", "/a:/b", "alpine", "sh", "-c", withPayload},
	"docker exec":                    {"docker", "exec", "-i", "-u", "0", "db", "sh", "-c", withPayload},
	"docker compose":                 {"docker", "compose", "exec", "-T", "db", "sh", "-c", withPayload},
	"docker run with an entrypoint":  {"docker", "run", "--rm", "--entrypoint", "sh", "-v", "/a:/b", "alpine", "-ec", withPayload},
	"podman with an entrypoint":      {"podman", "run", "--entrypoint=/bin/bash", "alpine", "-c", withPayload},
	"podman":                         {"podman", "exec", "db", "bash", "-ec", withPayload},
	"an entrypoint of one's own":     {"/entrypoint.sh", "bash", "-c", withPayload},
	"an entrypoint with options":     {"/entrypoint", "--wait", "5", "--", "bash", "-c", withPayload},
	"an entrypoint that is a file":   {"sh", "/entrypoint.sh", "bash", "-c", withPayload},
	"a script that runs the rest":    {"sh", "-c", `exec "$@"`, "--", "bash", "-c", withPayload},
	"a pod like a tool":              {"kubectl", "exec", "echo", "--", "sh", "-c", withPayload},
	"ssh, after env":                 {"env", "A=b", "ssh", "host", "{{ .Payload }}"},
	"vault":                          {"aws-vault", "exec", "prod", "--", "sh", "-c", withPayload},
	"cmd":                            {"cmd.exe", "/c", withPayload},
	"cmd with options":               {"cmd", "/S", "/V:ON", "/C", withPayload},
	"cmd by path":                    {`C:\Windows\System32\cmd.exe`, "/c", "echo", "{{ .Payload }}"},
	"PowerShell":                     {"powershell", "-Command", withPayload},
	"PowerShell, short":              {"powershell.exe", "-NoProfile", "-ExecutionPolicy", "Bypass", "-c", withPayload},
	"PowerShell without an option":   {"powershell", "-NoLogo", withPayload},
	"PowerShell 7":                   {"pwsh", "-NonInteractive", "-Command", "echo", "{{ .Payload }}"},
	"bash of Windows":                {`C:\Program Files\Git\bin\bash.exe`, "-c", withPayload},

	"Python":                         {"python", "-c", "print('{{ .Payload }}')"},
	"Python with a version":          {"/usr/bin/python3.12", "-u", "-c", "print('{{ .Payload }}')"},
	"Python, options together":       {"python3", "-Wignore", "-Ic", "print('{{ .Payload }}')"},
	"Python, after timeout":          {"timeout", "5", "python3", "-c", "print('{{ .Payload }}')"},
	"Node.js":                        {"node", "-e", "f('{{ .Payload }}')"},
	"Node.js, long":                  {"node", "--input-type=module", "--eval=f('{{ .Payload }}')"},
	"Node.js, that prints":           {"node", "-r", "x", "-pe", "'{{ .Payload }}'"},
	"Deno":                           {"deno", "eval", "f('{{ .Payload }}')"},
	"Perl":                           {"perl", "-e", "print '{{ .Payload }}'"},
	"Perl, options together":         {"perl", "-lne", "print if /{{ .Payload }}/"},
	"Perl in place":                  {"perl", "-i.bak", "-pe", "s/x/{{ .Payload }}/", "file"},
	"Ruby":                           {"ruby", "-rjson", "-e", "puts '{{ .Payload }}'"},
	"PHP":                            {"php", "-d", "a=b", "-r", "echo '{{ .Payload }}';"},
	"Lua":                            {"lua5.4", "-e", "print('{{ .Payload }}')"},
	"R":                              {"Rscript", "--vanilla", "-e", "print('{{ .Payload }}')"},
	"Julia":                          {"julia", "-e", "print(\"{{ .Payload }}\")"},
	"Elixir":                         {"elixir", "--eval", "IO.puts \"{{ .Payload }}\""},
	"Groovy":                         {"groovy", "-e", "println '{{ .Payload }}'"},
	"expect":                         {"expect", "-c", "send {{ .Payload }}"},
	"SQLite":                         {"sqlite3", "-header", "/x.db", "select '{{ .Payload }}'"},
	"awk":                            {"awk", "-F", ":", "/{{ .Payload }}/ {print $1}", "file"},
	"psql":                           {"psql", "-U", "postgres", "-d", "db", "-c", "select '{{ .Payload }}'"},
	"psql, options together":         {"psql", "-tAc", "select '{{ .Payload }}'"},
	"psql, long":                     {"psql", "db", "--command=select '{{ .Payload }}'"},
	"psql in a pod":                  {"kubectl", "exec", "pg-0", "--", "psql", "-c", "select '{{ .Payload }}'"},
	"psql of another user":           {"gosu", "postgres", "psql", "-c", "select '{{ .Payload }}'"},
	"MySQL":                          {"mysql", "-h", "db", "-uroot", "-p$(P)", "-e", "select '{{ .Payload }}'"},
	"MySQL, options together":        {"mysql", "db", "-Nse", "select '{{ .Payload }}'"},
	"MariaDB, long":                  {"mariadb", "--execute=select '{{ .Payload }}'"},
	"MongoDB":                        {"mongosh", "mongodb://db", "--quiet", "--eval", "f('{{ .Payload }}')"},
	"the payload in Kubernetes' way": {"sh", "-c", "echo $(PAYLOAD)"},
}

// places are where a container or an init container has a command.
var places = map[string]func(c *corev1.Container, command []string){
	"command": func(c *corev1.Container, command []string) { c.Command = command },
	"args":    func(c *corev1.Container, command []string) { c.Args = command },
	"livenessProbe.exec.command": func(c *corev1.Container, command []string) {
		c.LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: command}}}
	},
	"readinessProbe.exec.command": func(c *corev1.Container, command []string) {
		c.ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: command}}}
	},
	"startupProbe.exec.command": func(c *corev1.Container, command []string) {
		c.StartupProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: command}}}
	},
	"lifecycle.postStart.exec.command": func(c *corev1.Container, command []string) {
		c.Lifecycle = &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: command}}}
	},
	"lifecycle.preStop.exec.command": func(c *corev1.Container, command []string) {
		c.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: command}}}
	},
}

// payload is the environment of the commands.
var payloadVariable = []corev1.EnvVar{{Name: "PAYLOAD", Value: "{{ .Payload }}"}}

// warningsOf returns the warnings of a template with this container.
func warningsOf(t *testing.T, c corev1.Container, init bool) []string {
	t.Helper()
	template := templateOf(jobWithArgs())
	pod := &template.Spec.JobTemplate.Spec.Template.Spec
	pod.Containers = []corev1.Container{c}
	if init {
		pod.InitContainers, pod.Containers = pod.Containers, nil
	}
	if _, errs := compile(&template.Spec.JobTemplate); len(errs) > 0 {
		t.Fatal(errs)
	}
	return findWarnings(t.Context(), template)
}

func TestInjectionIsWarnedOf(t *testing.T) {
	for reason, command := range injections {
		t.Run(reason, func(t *testing.T) {
			at := slices.IndexFunc(command, func(word string) bool {
				return strings.Contains(word, ".Payload") || strings.Contains(word, "$(PAYLOAD)")
			})
			want := func(init bool, path string) string {
				if init {
					return "spec.jobTemplate.spec.template.spec.initContainers[0]." + path + ": "
				}
				return "spec.jobTemplate.spec.template.spec.containers[0]." + path + ": "
			}
			check := func(c corev1.Container, path string) {
				t.Helper()
				c.Env = payloadVariable
				for _, init := range []bool{false, true} {
					warnings := warningsOf(t, c, init)
					if len(warnings) != 1 || !strings.HasPrefix(warnings[0], want(init, path)) {
						t.Errorf("warnings %q, want one of %s", warnings, want(init, path))
					}
				}
			}
			for place, set := range places {
				c := corev1.Container{}
				set(&c, command)
				if strings.HasPrefix(place, "lifecycle") && !strings.Contains(command[at], ".Payload") {
					c.Env = payloadVariable
					if warnings := warningsOf(t, c, false); len(warnings) > 0 {
						t.Errorf("%s: %q, but the kubelet does not expand $(NAME) there", place, warnings)
					}
					continue
				}
				check(c, fmt.Sprintf("%s[%d]", place, at))
			}
			for inCommand := 1; inCommand < len(command); inCommand++ {
				path := fmt.Sprintf("command[%d]", at)
				if at >= inCommand {
					path = fmt.Sprintf("args[%d]", at-inCommand)
				}
				check(corev1.Container{Command: command[:inCommand], Args: command[inCommand:]}, path)
			}
		})
	}
}

// silent are commands that are right, or at least not an injection.
var silent = map[string][]string{
	"a quoted payload":                  {"sh", "-c", "echo {{ .Payload | shellQuote }}"},
	"a quoted part":                     {"sh", "-c", "echo {{ (fromJson .Payload).user | shellQuote }}"},
	"a quoted payload in a variable":    {"sh", "-c", "{{ $p := .Payload | trim | shellQuote }}echo {{ $p }}"},
	"a variable that is quoted later":   {"sh", "-c", "{{ $p := .Payload }}{{ $p = $p | shellQuote }}echo {{ $p }}"},
	"a quoted item":                     {"sh", "-c", "{{ range fromJson .Payload }}echo {{ . | shellQuote }}\n{{ end }}"},
	"a quoted payload, formatted":       {"sh", "-c", `{{ printf "echo %s" (.Payload | shellQuote) }}`},
	"a number":                          {"sh", "-c", "sleep {{ (fromJson .Payload).seconds | int }}"},
	"a sum":                             {"sh", "-c", "sleep {{ add 1 (fromJson .Payload).seconds }}"},
	"a length":                          {"sh", "-c", "echo {{ len .Payload }}"},
	"a hash":                            {"sh", "-c", "echo {{ .Payload | sha256sum | trunc 8 }}"},
	"an encoding":                       {"sh", "-c", "echo {{ .Payload | b64enc }} | base64 -d"},
	"a date":                            {"sh", "-c", `echo {{ (fromJson .Payload).day | date "2006-01-02" }}`},
	"a condition":                       {"sh", "-c", `run {{ if (fromJson .Payload).verbose }}--verbose{{ end }}`},
	"a choice":                          {"sh", "-c", `run {{ ternary "-v" "" (eq .Payload "x") }}`},
	"a choice, piped":                   {"sh", "-c", `run {{ eq .Payload "x" | ternary "-v" "" }}`},
	"a choice of the author's":          {"sh", "-c", `run {{ get (dict "a" "1" "b" "2") .Payload }}`},
	"a part that is matched":            {"sh", "-c", `run {{ regexFind "^[a-z0-9-]+$" .Payload }}`},
	"a part that is cleaned":            {"sh", "-c", `run {{ regexReplaceAll "[^a-zA-Z0-9_]+" .Payload "-" }}`},
	"what is not the payload":           {"sh", "-c", "echo {{ .Name }} {{ .JobTemplate.Labels | toJson }} {{ .Namespace }}"},
	"a payload that is tested":          {"sh", "-c", `{{ if contains "x" .Payload }}{{ fail "no" }}{{ end }}echo`},
	"a comment":                         {"sh", "-c", "{{/* .Payload */}}echo"},
	"a defined template that is quoted": {"sh", "-c", `{{ define "a" }}{{ .Payload | shellQuote }}{{ end }}{{ template "a" . }}`},
	"an argument of a script":           {"sh", "-c", `echo "$1"`, "--", "{{ .Payload }}"},
	"an argument of a script, $0":       {"bash", "-euo", "pipefail", "-c", `echo "$1"`, "bash", "{{ .Payload }}"},
	"an argument of a script in a file": {"sh", "script.sh", "{{ .Payload }}"},
	"a file, and an option like c":      {"sh", "script.sh", "-c", "{{ .Payload }}"},
	"a file with options before":        {"bash", "-eu", "-o", "pipefail", "/script.sh", "{{ .Payload }}"},
	"a variable of the shell":           {"sh", "-c", `echo "$PAYLOAD"`},
	"a variable, behind timeout":        {"timeout", "60", "sh", "-c", `echo "$PAYLOAD"`},
	"a variable, behind su":             {"su", "user", "-c", `echo "$PAYLOAD"`},
	"a variable, remotely":              {"kubectl", "exec", "pod", "--", "bash", "-lc", `echo "$PAYLOAD"`},
	"a quoted payload, remotely":        {"ssh", "host", "ls", "{{ .Payload | shellQuote }}"},
	"a variable of PowerShell":          {"powershell", "-Command", "echo $env:PAYLOAD"},
	"a file of PowerShell":              {"pwsh", "-File", "x.ps1", "{{ .Payload }}"},
	"a variable of cmd":                 {"cmd", "/v:on", "/c", "echo !PAYLOAD!"},
	"a shell as $0":                     {"bash", "-c", `tool "$@"`, "bash", "-c", "{{ .Payload }}"},
	"a word like a tool":                {"tool", "watch", "{{ .Payload }}"},
	"su without a script":               {"su", "user"},
	"a lock for a tool with -c":         {"flock", "/lock", "tool", "-c", "{{ .Payload }}"},
	"another user's tool with -c":       {"runuser", "-u", "x", "--", "tool", "-c", "{{ .Payload }}"},
	"what echo prints":                  {"echo", "sh", "-c", "{{ .Payload }}"},
	"a shell as a value":                {"sudo", "useradd", "-s", "/bin/bash", "-c", "{{ .Payload }}", "bob"},
	"a shell in a variable":             {"tool", "SHELL=/bin/bash", "-c", "{{ .Payload }}"},
	"a container that is called sh":     {"kubectl", "exec", "pod", "-c", "sh", "--", "ls", "{{ .Payload }}"},

	"Python without the payload inside":  {"python", "-c", "import sys; print(sys.argv[1])", "{{ .Payload }}"},
	"Python with a JSON text":            {"python3", "-c", "print({{ .Payload | toJson }})"},
	"Python with a number":               {"python3", "-c", "print({{ (fromJson .Payload).n | int }})"},
	"Python, a file":                     {"python3", "main.py", "-c", "{{ .Payload }}"},
	"Python, a module in the same word":  {"python3", "-mhttp.server", "-c", "{{ .Payload }}"},
	"Python, a module":                   {"python3", "-m", "http.server", "-c", "{{ .Payload }}"},
	"Node.js, an argument":               {"node", "-e", "console.log(process.argv[1])", "{{ .Payload }}"},
	"Node.js, a file":                    {"node", "main.js", "-e", "{{ .Payload }}"},
	"Perl, an argument":                  {"perl", "-e", "print $ARGV[0]", "{{ .Payload }}"},
	"Perl with a variable of its own":    {"perl", "-e", "my $PAYLOAD = 1; print $PAYLOAD"},
	"Ruby, an argument":                  {"ruby", "-e", "puts ARGV[0]", "{{ .Payload }}"},
	"PHP, a file":                        {"php", "artisan", "-r", "{{ .Payload }}"},
	"jq":                                 {"jq", "-n", "--arg", "p", "{{ .Payload }}", "$p"},
	"jq with a variable like one of env": {"jq", "-n", "--arg", "PAYLOAD", "{{ .Payload }}", "{a: $PAYLOAD}"},
	"jq, -c":                             {"jq", "-c", ".{{ .Payload }}", "file"},
	"psql":                               {"psql", "-U", "x", "-c", "select 1", "{{ .Payload }}"},
	"psql with a variable":               {"psql", "-v", "p={{ .Payload }}", "-f", "/x.sql"},
	"psql with an encoding":              {"psql", "-c", "select convert_from(decode('{{ .Payload | b64enc }}', 'base64'), 'UTF8')"},
	"mysql":                              {"mysql", "-h", "{{ .Payload }}", "-e", "select 1"},
	"curl":                               {"curl", "-c", "/jar", "-d", "{{ .Payload }}", "-e", "{{ .Payload }}", "https://x/{{ .Payload }}"},
	"git":                                {"git", "-c", "user.name={{ .Payload }}", "clone", "{{ .Payload }}"},
	"tar":                                {"tar", "-c", "-f", "/x.tar", "{{ .Payload }}"},
	"sed":                                {"sed", "-e", "s/x/{{ .Payload }}/", "file"},
	"awk with a variable":                {"awk", "-v", "p={{ .Payload }}", "{print p}", "{{ .Payload }}"},
	"awk with a file":                    {"awk", "-f", "x.awk", "{{ .Payload }}"},
	"grep":                               {"grep", "-c", "-e", "{{ .Payload }}", "file"},
	"envsubst":                           {"envsubst", "$PAYLOAD"},
	"aws":                                {"aws", "s3", "cp", "{{ .Payload }}", "s3://x"},
	"kubectl":                            {"kubectl", "get", "node", "{{ .Payload }}", "-o", "json"},
	"kubectl exec":                       {"kubectl", "exec", "pod", "-c", "{{ .Payload }}", "--", "ls", "{{ .Payload }}"},
	"helm":                               {"helm", "upgrade", "x", "./chart", "--set", "a={{ .Payload }}"},
	"terraform":                          {"terraform", "apply", "-var", "a={{ .Payload }}"},
	"rclone":                             {"rclone", "-c", "copy", "{{ .Payload }}", "b:"},
	"rsync":                              {"rsync", "-c", "-e", "ssh", "{{ .Payload }}", "host:/x"},
	"ffmpeg":                             {"ffmpeg", "-i", "{{ .Payload }}", "-c", "copy", "out.mp4"},
	"make":                               {"make", "-C", "/src", "-e", "X={{ .Payload }}"},
	"gzip":                               {"gzip", "-c", "{{ .Payload }}"},
	"wc":                                 {"wc", "-c", "{{ .Payload }}"},
	"docker run with another entrypoint": {"docker", "run", "--entrypoint", "tool", "alpine", "-c", "{{ .Payload }}"},
	"docker run with a shell and a file": {"docker", "run", "--entrypoint", "sh", "alpine", "/x.sh", "{{ .Payload }}"},
	"sqlite3":                            {"sqlite3", "{{ .Payload }}", "select 1"},
	"java":                               {"java", "-cp", "/x.jar", "Main", "-c", "{{ .Payload }}"},
	"restic":                             {"restic", "-r", "{{ .Payload }}", "backup", "/data"},
	"kaniko":                             {"/kaniko/executor", "-c", "{{ .Payload }}", "-d", "{{ .Payload }}"},
	"mysqldump":                          {"mysqldump", "-e", "{{ .Payload }}"},
	"xargs":                              {"xargs", "-a", "{{ .Payload }}", "rm"},
	"pg_dump":                            {"pg_dump", "-c", "-d", "{{ .Payload }}"},
	"redis-cli":                          {"redis-cli", "-h", "x", "set", "k", "{{ .Payload }}"},
	"ping":                               {"ping", "-c", "3", "{{ .Payload }}"},
	"nginx":                              {"nginx", "-c", "{{ .Payload }}", "-e", "{{ .Payload }}"},
	"docker build":                       {"docker", "build", "-t", "{{ .Payload }}", "-c", "512", "."},
	"npm":                                {"npm", "run", "build", "--", "-c", "{{ .Payload }}"},
	"spark-submit":                       {"spark-submit", "-c", "spark.x={{ .Payload }}", "x.py"},
	"ansible-playbook":                   {"ansible-playbook", "-e", "x={{ .Payload }}", "-c", "local", "x.yml"},
	"an option by a template":            {"tool", "-{{ .Payload }}", "-c", "{{ .Payload }}"},
	"a program by a template":            {"{{ .Payload }}", "-c", "{{ .Payload }}"},
	"nothing":                            {},
}

func TestRightCommandsAreSilent(t *testing.T) {
	for reason, command := range silent {
		t.Run(reason, func(t *testing.T) {
			for place, set := range places {
				c := corev1.Container{Env: payloadVariable}
				set(&c, command)
				if warnings := warningsOf(t, c, false); len(warnings) > 0 {
					t.Errorf("%s: %q", place, warnings)
				}
			}
		})
	}
}

// unsafe are scripts of a shell that print the payload unquoted.
var unsafe = map[string]string{
	"as it is":                   "echo {{ .Payload }}",
	"in double quotes":           `echo "{{ .Payload }}"`,
	"in single quotes":           `echo '{{ .Payload }}'`,
	"a part":                     "echo {{ (fromJson .Payload).user }}",
	"a part, by dig":             `echo {{ dig "a" "b" "x" (fromJson .Payload) }}`,
	"a default":                  `echo {{ fromJson .Payload | dig "a" "x" }}`,
	"with a default":             `echo {{ .Payload | default "x" }}`,
	"a default of another value": `echo {{ .JobTemplate.Labels.x | default .Payload }}`,
	"quoted for Go":              "echo {{ .Payload | quote }}",
	"in quotes":                  "echo {{ .Payload | squote }}",
	"as JSON":                    "echo {{ .Payload | toJson }}",
	"trimmed":                    "echo {{ .Payload | trim | lower }}",
	"cut":                        "echo {{ trunc 20 .Payload }}",
	"formatted":                  `echo {{ printf "%s!" .Payload }}`,
	"in a variable":              "{{ $p := .Payload }}echo {{ $p }}",
	"in a field of a variable":   "{{ $p := fromJson .Payload }}echo {{ $p.user.name }}",
	"by the root":                "{{ with .JobTemplate }}echo {{ $.Payload }}{{ end }}",
	"in a block":                 "{{ with .Payload }}echo {{ . }}{{ end }}",
	"in a block with a name":     "{{ with $p := fromJson .Payload }}echo {{ $p.x }}{{ end }}",
	"in a loop":                  "{{ range fromJson .Payload }}echo {{ .name }}{{ end }}",
	"in a loop with names":       "{{ range $k, $v := fromJson .Payload }}echo {{ $k }}{{ end }}",
	"the other half of a choice": `echo {{ ternary "a" .Payload true }}`,
	"in a condition":             `{{ if eq .Name "x" }}a{{ else }}{{ .Payload }}{{ end }}`,
	"set in a condition":         `{{ $x := "" }}{{ if eq .Name "x" }}{{ $x = .Payload }}{{ end }}echo {{ $x }}`,
	"perhaps set to another":     `{{ $x := .Payload }}{{ if eq .Name "x" }}{{ $x = "a" }}{{ end }}echo {{ $x }}`,
	"set at the end of a loop":   `{{ $x := "" }}{{ range until 2 }}echo {{ $x }}{{ $x = $.Payload }}{{ end }}`,
	"set at the end of loops":    `{{ $x := "" }}{{ range until 2 }}{{ range until 2 }}{{ $x }}{{ $x = $.Payload }}{{ end }}{{ end }}`,
	"in a defined template":      `{{ define "a" }}echo {{ .Payload }}{{ end }}{{ template "a" . }}`,
	"handed to one":              `{{ define "a" }}echo {{ . }}{{ end }}{{ template "a" .Payload }}`,
	"handed to one in a dict":    `{{ define "a" }}echo {{ .p }}{{ end }}{{ template "a" dict "p" .Payload }}`,
	"handed to the second":       `{{ define "b" }}{{ . }}{{ end }}{{ define "a" }}{{ template "b" .Payload }}{{ end }}{{ template "a" . }}`,
	"with all of the data":       "echo {{ toJson . }}",
	"with all of the data, $":    "echo {{ $ | toJson }}",
	"quoted before another":      "echo {{ .Payload | shellQuote }} {{ .Payload }}",
	"a match of anything":        `echo {{ regexFind ".*" .Payload }}`,
	"a match of too much":        `echo {{ regexFind "[a-z;]+" .Payload }}`,
	"cleaned of too little":      `echo {{ regexReplaceAll "[^a-z;]" .Payload "" }}`,
	"cleaned of a few":           `echo {{ regexReplaceAll "[\\x00-)]" .Payload "" }}`,
	"cleaned of letters":         `echo {{ regexReplaceAll "[a-z]" .Payload "" }}`,
	"replaced by the payload":    `echo {{ regexReplaceAll "[^a-z]" "a;" .Payload }}`,
	"an item of a list":          `echo {{ index (splitList "," .Payload) 0 }}`,
	"a list":                     `echo {{ splitList "," .Payload | join " " }}`,
	"YAML":                       `echo {{ (fromYaml .Payload).x }}`,
	"decoded":                    `echo {{ .Payload | b64enc | b64dec }}` + `{{ .Payload | b64dec }}`,
	"a layout of dates":          `echo {{ now | date .Payload }}`,
}

func TestPayloadInScript(t *testing.T) {
	for reason, text := range unsafe {
		t.Run(reason, func(t *testing.T) {
			warnings := warningsOf(t, corev1.Container{Command: []string{"sh", "-c", text}}, false)
			if len(warnings) != 1 || !strings.Contains(warnings[0], "shellQuote") {
				t.Errorf("warnings %q, want one with the way out", warnings)
			}
		})
	}
}

// TestInjectionWarnings tests what a warning says: the place, the danger and the way out, once for a word.
func TestInjectionWarnings(t *testing.T) {
	for _, test := range []struct {
		reason  string
		command []string
		want    []string
	}{
		{"a line of many", []string{"sh", "-c", "set -e\n\necho {{ .Payload }}\necho {{ .Payload }}"}, []string{
			"command[2]: line 3, column ", "a shell script", "any command", "{{ .Payload | shellQuote }}", `"$NAME"`}},
		{"twice in one word", []string{"sh", "-c", "echo {{ .Payload }} $(PAYLOAD) $(PAYLOAD)"}, []string{
			"command[2]: the payload ", "shellQuote", "the same holds for $(PAYLOAD)", `"$PAYLOAD"`}},
		{"by Kubernetes", []string{"sh", "-c", "echo $(PAYLOAD)"}, []string{
			"command[2]: Kubernetes puts the value of $(PAYLOAD) into a shell script", `write "$PAYLOAD"`}},
		{"in Python", []string{"python", "-c", "print('{{ .Payload }}')"}, []string{
			"Python code", "any code", `os.environ["NAME"]`}},
		{"in PowerShell", []string{"powershell", "-c", "echo {{ .Payload }}"}, []string{"PowerShell", "$env:NAME"}},
		{"in SQL", []string{"psql", "-c", "select '{{ .Payload }}'"}, []string{"SQL", "any statement", "b64enc"}},
		{"in SQL, by Kubernetes", []string{"psql", "-c", "select '$(PAYLOAD)'"}, []string{"$(PAYLOAD)", "SQL", "b64enc"}},
	} {
		warnings := warningsOf(t, corev1.Container{Command: test.command, Env: payloadVariable}, false)
		if len(warnings) != 1 {
			t.Errorf("%s: %q, want one warning", test.reason, warnings)
			continue
		}
		for _, part := range test.want {
			if !strings.Contains(warnings[0], part) {
				t.Errorf("%s: %q does not say %q", test.reason, warnings[0], part)
			}
		}
	}
}

// The image of bash hands options to bash.
func TestEntrypointOfBash(t *testing.T) {
	for image, want := range map[string]int{
		"bash": 1, "bash:5.3": 1, "docker.io/library/bash:5@sha256:1": 1, "example.com/bash-tools": 0, "curlimages/curl": 0,
	} {
		warnings := warningsOf(t, corev1.Container{Image: image, Args: []string{"-c", withPayload}}, false)
		if len(warnings) != want || want == 1 && !strings.Contains(warnings[0], "args[1]: ") {
			t.Errorf("%s: %q", image, warnings)
		}
	}
}
