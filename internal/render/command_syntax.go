package render

import "strings"

// flags is the syntax of programs that have options like those of Unix.
type flags struct {
	script     string          // letters of the options that a script follows
	values     string          // letters of the options that another value follows
	attached   string          // letters of the options that have a value only in the same word
	last       string          // letters of the options after which all is for another program
	apart      bool            // a script never follows in the same word
	longScript map[string]bool // long options that a script follows
	longValues map[string]bool // long options that another value follows

	anywhere    bool // options may follow on operands
	pastDashes  bool // options may follow on --
	assignments bool // operands may be NAME=value, before the command
}

// find is a commandSyntax.
func (f flags) find(words []string) (scripts []int, end int) {
	i := 0
	for i < len(words) {
		word := words[i]
		switch {
		case word == "--" && !f.pastDashes:
			return scripts, i + 1
		case word == "--" || word == "-":
			i++
		case strings.HasPrefix(word, "--"):
			name, _, attached := strings.Cut(word[len("--"):], "=")
			i++
			switch {
			case f.longScript[name] && attached:
				scripts = append(scripts, i-1)
			case f.longScript[name]:
				scripts = append(scripts, i)
				i++
			case f.longValues[name] && !attached:
				i++
			}
		case isOption(word):
			found, ends := f.cluster(word)
			i++
			switch {
			case ends:
				return scripts, i
			case found == here:
				scripts = append(scripts, i-1)
			case found == next:
				scripts = append(scripts, i)
				i++
			case found == value:
				i++
			}
		case f.anywhere, f.assignments && strings.Contains(word, "="):
			i++
		default:
			return f.within(scripts, words), i
		}
	}
	return f.within(scripts, words), len(words)
}

func (flags) within(scripts []int, words []string) []int {
	if n := len(scripts); n > 0 && scripts[n-1] >= len(words) {
		return scripts[:n-1]
	}
	return scripts
}

// What a word of short options has or needs.
type content int

const (
	nothing content = iota
	here            // it has the script
	next            // the script follows
	value           // another value follows
)

// cluster reads a word of short options, like -xc.
func (f flags) cluster(word string) (found content, ends bool) {
	letters := word[1:]
	for i := range len(letters) {
		rest := i+1 < len(letters)
		switch letter := letters[i]; {
		case strings.IndexByte(f.script, letter) >= 0 && rest && !f.apart:
			return here, false
		case strings.IndexByte(f.script, letter) >= 0:
			return next, false
		case strings.IndexByte(f.values, letter) >= 0 && !rest:
			return value, false
		case strings.IndexByte(f.values, letter) >= 0, strings.IndexByte(f.attached, letter) >= 0:
			return nothing, false
		case strings.IndexByte(f.last, letter) >= 0:
			return nothing, true
		}
	}
	return nothing, false
}

// runuserScript is the syntax of runuser, which runs a command with -u and is like su without.
func runuserScript(words []string) (scripts []int, end int) {
	for _, word := range words {
		if !isOption(word) || word == "--" {
			break
		}
		if strings.HasPrefix(word, "-u") || strings.HasPrefix(word, "--user") {
			return nil, 0
		}
	}
	return suFlags.find(words)
}

// flockScript is the syntax of flock FILE -c SCRIPT.
func flockScript(words []string) (scripts []int, end int) {
	_, file := flags{values: "wE", longValues: set("timeout", "conflict-exit-code")}.find(words)
	if file+2 < len(words) && (words[file+1] == "-c" || words[file+1] == "--command") {
		return []int{file + 2}, len(words)
	}
	return nil, min(file+1, len(words))
}

// joined is the syntax of programs that hand all their operands but the first ones to a shell, as one script.
type joinedOperands struct {
	values string
	skip   int
}

func joined(values string, skip int) joinedOperands { return joinedOperands{values, skip} }

// find is a commandSyntax.
func (j joinedOperands) find(words []string) (scripts []int, end int) {
	skipped := 0
	options := true
	for i := 0; i < len(words); i++ {
		switch word := words[i]; {
		case options && word == "--":
			options = false
		case options && isOption(word):
			if found, _ := (flags{values: j.values}).cluster(word); found == value {
				i++
			}
		case skipped < j.skip:
			skipped++
		default:
			options = false
			scripts = append(scripts, i)
		}
	}
	return scripts, len(words)
}

// awkScript is the syntax of awk: the first operand is the script, unless it is in a file.
func awkScript(words []string) (scripts []int, end int) {
	options := flags{values: "Fvfi", script: "e", longScript: set("source")}
	for i := 0; i < len(words); i++ {
		switch word := words[i]; {
		case word == "--":
			return options.within([]int{i + 1}, words), len(words)
		case isOption(word) && !strings.HasPrefix(word, "--"):
			found, _ := options.cluster(word)
			if strings.HasPrefix(word, "-f") || found == next {
				if found == next && i+1 < len(words) {
					return []int{i + 1}, len(words)
				}
				return nil, len(words)
			}
			if found == value {
				i++
			}
		case isOption(word):
		default:
			return []int{i}, len(words)
		}
	}
	return nil, len(words)
}

// sqliteScript is the syntax of sqlite3 FILE SQL.
func sqliteScript(words []string) (scripts []int, end int) {
	operands := 0
	for i, word := range words {
		if isOption(word) {
			continue
		}
		if operands++; operands > 1 {
			return []int{i}, len(words)
		}
	}
	return nil, len(words)
}

// denoScript is the syntax of deno eval SCRIPT.
func denoScript(words []string) (scripts []int, end int) {
	if len(words) == 0 || words[0] != "eval" {
		return nil, 0
	}
	for i := 1; i < len(words); i++ {
		if !isOption(words[i]) {
			return []int{i}, i + 1
		}
	}
	return nil, len(words)
}

// cmdScript is the syntax of cmd.exe: all after /c or /k is one script.
func cmdScript(words []string) (scripts []int, end int) {
	for i, word := range words {
		if !strings.HasPrefix(word, "/") || isTemplate(word) {
			return nil, i
		}
		switch lower := strings.ToLower(word); {
		case strings.HasSuffix(lower, "/c"), strings.HasSuffix(lower, "/k"):
			return rest(i+1, words), len(words)
		}
	}
	return nil, len(words)
}

// rest are the indexes of the words from one on.
func rest(from int, words []string) []int {
	var all []int
	for i := from; i < len(words); i++ {
		all = append(all, i)
	}
	return all
}

// powerShellScript is the syntax of PowerShell: all after -Command is one script. Names may be shortened. Windows
// PowerShell takes what follows no option for a script, newer ones for the name of a file.
func powerShellScript(operands bool) commandSyntax {
	return func(words []string) (scripts []int, end int) {
		for i := 0; i < len(words); i++ {
			option, ok := strings.CutPrefix(strings.ToLower(words[i]), "-")
			switch {
			case !ok && operands:
				return rest(i, words), len(words)
			case !ok, option != "" && strings.HasPrefix("file", option):
				return nil, len(words)
			case option != "" && strings.HasPrefix("commandwithargs", option), option == "cwa":
				return rest(i+1, words), len(words)
			case len(option) > 1 && takesPowerShellValue(option):
				i++
			}
		}
		return nil, len(words)
	}
}

func takesPowerShellValue(option string) bool {
	if option == "ep" {
		return true
	}
	for _, name := range []string{
		"executionpolicy", "windowstyle", "version", "inputformat", "outputformat", "configurationname",
		"configurationfile", "workingdirectory", "psconsolefile", "settingsfile", "custompipename",
	} {
		if strings.HasPrefix(name, option) {
			return true
		}
	}
	return false
}
