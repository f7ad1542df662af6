package render

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// language is what a script in a command is written in.
type language struct {
	// code is what the payload becomes a part of, and danger what it can be there.
	code, danger string
	// quoting are the functions that make one harmless value of anything.
	quoting map[string]bool
	// advice says how the script gets the payload instead. It may have the name of a variable in the place of %s.
	advice string
	// variable is how the script reads a variable of its environment.
	variable string
}

func interpreted(name, variable string, quoting ...string) *language {
	return &language{
		code: name + " code", danger: "any code", quoting: set(quoting...), variable: variable,
		advice: "put it into a variable NAME in env and read %s",
	}
}

// The languages of scripts.
var (
	shell = &language{
		code: "a shell script", danger: "any command", quoting: set("shellQuote"), variable: `"$%s"`,
		advice: "write {{ .Payload | shellQuote }}, or put it into a variable NAME in env and write %s",
	}
	powerShell = &language{
		code: "a PowerShell script", danger: "any command", variable: "$env:%s",
		advice: "put it into a variable NAME in env and write %s",
	}
	cmdShell = &language{
		code: "a command line of cmd", danger: "any command", variable: "!%s!",
		advice: "put it into a variable NAME in env, run cmd with /v:on, and write %s",
	}
	sql = &language{
		code: "SQL", danger: "any statement",
		advice: "write {{ .Payload | b64enc }} and decode it in SQL",
	}

	// The texts of JSON and of Go in double quotes are texts of Python and JavaScript, too.
	python     = interpreted("Python", `os.environ["%s"]`, "toJson", "mustToJson", "toRawJson", "quote")
	javaScript = interpreted("JavaScript", "process.env.%s", "toJson", "mustToJson", "toRawJson", "quote")
	mongo      = interpreted("JavaScript", "process.env.%s", "toJson", "mustToJson", "toRawJson", "quote")
	perl       = interpreted("Perl", "$ENV{%s}")
	ruby       = interpreted("Ruby", `ENV["%s"]`)
	php        = interpreted("PHP", `getenv("%s")`)
	lua        = interpreted("Lua", `os.getenv("%s")`)
	r          = interpreted("R", `Sys.getenv("%s")`)
	awk        = interpreted("awk", `ENVIRON["%s"]`)
	julia      = interpreted("Julia", `ENV["%s"]`)
	elixir     = interpreted("Elixir", `System.get_env("%s")`)
	groovy     = interpreted("Groovy", `System.getenv("%s")`)
	tcl        = interpreted("Tcl", "$env(%s)")
)

// read is how a script reads the variable. It is empty where it cannot.
func (l *language) read(variable string) string {
	if l.variable == "" {
		return ""
	}
	return fmt.Sprintf(l.variable, variable)
}

// remedy is the advice for a payload in a script.
func (l *language) remedy() string { return strings.ReplaceAll(l.advice, "%s", l.read("NAME")) }

// commandSyntax finds the scripts in the words after the name of a program. It returns their indexes, and how many
// words belong to the program. What comes after them may be another program.
type commandSyntax func(words []string) (scripts []int, end int)

// interpreter is a program that takes a script as an argument.
type interpreter struct {
	language *language
	syntax   commandSyntax
	// first says that the name of the program is a common word, and stands for it only at the beginning of a command.
	first bool
}

// shells are the shells of Unix.
var shells = set(
	"sh", "ash", "bash", "dash", "zsh", "ksh", "mksh", "rbash", "yash", "posh", "hush", "fish", "csh", "tcsh",
)

// interpreters are the programs that take a script as an argument, by name.
var interpreters = func() map[string]interpreter {
	all := map[string]interpreter{
		"su":      {shell, suFlags.find, false},
		"runuser": {shell, runuserScript, false},
		"flock":   {shell, flockScript, true},
		"script":  {shell, flags{script: "c", values: "IOTBmE", longScript: set("command"), anywhere: true}.find, true},
		"env":     {shell, envFlags.find, true},
		"ssh":     {shell, joined("BbcDEeFIiJLlmOopQRSWw", 1).find, true},
		"watch":   {shell, joined("nq", 0).find, true},
		"cmd":     {cmdShell, cmdScript, false},

		"powershell": {powerShell, powerShellScript(true), false},
		"pwsh":       {powerShell, powerShellScript(false), false},

		"python": {python, flags{script: "c", values: "WX", last: "m"}.find, false},
		"pypy":   {python, flags{script: "c", values: "WX", last: "m"}.find, false},
		"node":   {javaScript, nodeFlags.find, false},
		"nodejs": {javaScript, nodeFlags.find, false},
		"bun":    {javaScript, nodeFlags.find, false},
		"deno":   {javaScript, denoScript, false},
		"perl":   {perl, flags{script: "eE", values: "I", attached: "imMCDF"}.find, false},
		"ruby":   {ruby, flags{script: "e", values: "ICEr", attached: "iKTWF"}.find, false},
		"php":    {php, flags{script: "rBRE", values: "dcztS", last: "fF"}.find, false},
		"lua":    {lua, flags{script: "e", values: "l"}.find, false},
		"luajit": {lua, flags{script: "e", values: "l"}.find, false},

		"rscript": {r, flags{script: "e"}.find, false},
		"mongo":   {mongo, flags{longScript: set("eval"), values: "up", longValues: mongoValues}.find, false},
		"mongosh": {mongo, flags{longScript: set("eval"), values: "up", longValues: mongoValues, anywhere: true}.find, false},

		"julia":  {julia, flags{script: "eE", longScript: set("eval", "print")}.find, false},
		"elixir": {elixir, flags{script: "e", longScript: set("eval")}.find, false},
		"groovy": {groovy, flags{script: "e"}.find, false},
		"expect": {tcl, flags{script: "c"}.find, false},

		"sqlite3": {sql, sqliteScript, false},
		"psql":    {sql, flags{script: "c", values: "dfvoLFPRThpU", longScript: set("command"), anywhere: true}.find, false},
		"mysql":   {sql, mysqlFlags.find, false},
		"duckdb":  {sql, flags{script: "cs", anywhere: true}.find, false},
		"cqlsh":   {sql, flags{script: "e", values: "upfk", longScript: set("execute"), anywhere: true}.find, false},
		"trino":   {sql, flags{longScript: set("execute"), anywhere: true}.find, false},
		"snowsql": {sql, flags{script: "q", values: "aurhdsfcoD", longScript: set("query"), anywhere: true}.find, false},
		"sqlcmd":  {sql, flags{script: "Qq", values: "SdUPiovhs", anywhere: true}.find, false},
		"hive":    {sql, flags{script: "e", values: "fi", anywhere: true}.find, false},
		"beeline": {sql, flags{script: "e", values: "ufinp", anywhere: true}.find, false},

		"clickhouse-client": {sql, flags{script: "q", values: "huPd", longScript: set("query"), anywhere: true}.find, false},
	}
	all["mariadb"] = all["mysql"]
	for name := range shells {
		all[name] = interpreter{shell, shellScript, false}
	}
	for _, name := range []string{"awk", "gawk", "mawk", "nawk"} {
		all[name] = interpreter{awk, awkScript, true}
	}
	return all
}()

var (
	suFlags = flags{
		script: "c", values: "gGswT", longScript: set("command"), longValues: set("shell", "group"),
		anywhere: true, pastDashes: true,
	}
	envFlags = flags{
		script: "S", values: "uC", longScript: set("split-string"), longValues: set("unset", "chdir"), assignments: true,
	}
	nodeFlags = flags{
		script: "ep", apart: true, values: "rC", longScript: set("eval", "print"),
		longValues: set("require", "import", "conditions", "loader", "env-file"),
	}
	mysqlFlags  = flags{script: "e", values: "DhPSu", attached: "p", longScript: set("execute"), anywhere: true}
	mongoValues = set("host", "port", "username", "password", "authenticationDatabase")
)

// asData are programs that run none of their arguments, which may have the names of programs nevertheless.
var asData = set("echo", "printf", "logger", "useradd", "usermod", "adduser", "chsh", "grep")

// runners run what follows, so that the first word after them and their options is the beginning of a command.
var runners = set(
	"timeout", "env", "nice", "ionice", "nohup", "tini", "dumb-init", "catatonit", "sudo", "doas", "sshpass", "setsid",
	"stdbuf", "time", "exec", "gosu", "su-exec", "busybox", "toybox", "chroot", "unshare", "nsenter", "xargs", "chrt",
	"setpriv", "taskset", "strace", "faketime", "s6-setuidgid", "runuser", "flock",
)

// withVariables are programs that have variables of their own which look like those of a shell.
var withVariables = set("jq", "gojq", "jaq", "yq", "envsubst", "gomplate", "expect", "tclsh")

// programName is the name of the program that a word of a command names, if it can be one. Only paths of Windows have
// spaces.
func programName(word string) string {
	if len(word) > 255 || strings.ContainsAny(word, "={}\t\n") || strings.Contains(word, " ") && !drive.MatchString(word) {
		return ""
	}
	name := strings.ToLower(path.Base(strings.ReplaceAll(word, `\`, "/")))
	name = strings.TrimSuffix(name, ".exe")
	if _, known := interpreters[name]; known {
		return name
	}
	return strings.TrimRight(name, "0123456789.-") // python3.14
}

// drive matches the beginning of a path of Windows.
var drive = regexp.MustCompile(`^[A-Za-z]:\\`)
