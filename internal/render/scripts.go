package render

import "strings"

// script is a word of a command that is a script, as in sh -c SCRIPT.
type script struct {
	word     int // its index
	language *language
}

// findScripts returns the scripts in the words of a command. A program may be run by another one: timeout 60 sh -c
// SCRIPT.
func findScripts(words []string) []script {
	if at := entrypointOptions(words); at >= 0 {
		if scripts, _ := shellScript(words[at:]); len(scripts) > 0 {
			return []script{{at + scripts[0], shell}}
		}
	}
	var found []script
	first := true
	for i := 0; i < len(words); {
		name := programName(words[i])
		i++
		if first && asData[name] {
			break
		}
		program, known := interpreters[name]
		runner := runners[name]
		if known && (first || !program.first) {
			scripts, end := program.syntax(words[i:])
			for _, at := range scripts {
				found = append(found, script{i + at, program.language})
			}
			first = name == "env" && len(scripts) == 0
			i += end
			continue
		}
		// The options of a runner, and their values, may have any name.
		first = first && (i > 1 || runner)
	}
	return found
}

// findEntrypointScripts is findScripts for words that an image hands to the program of its entrypoint.
func findEntrypointScripts(entrypoint string, words []string) []script {
	found := findScripts(append([]string{entrypoint}, words...))
	for i := range found {
		found[i].word--
	}
	return found
}

// entrypointOptions returns where the options of a shell begin that is the entrypoint of an image, as in docker run
// --entrypoint sh IMAGE -c SCRIPT, or -1.
func entrypointOptions(words []string) int {
	isShell := false
	for i, word := range words {
		name, attached := strings.CutPrefix(word, "--entrypoint=")
		if word == "--entrypoint" && i+1 < len(words) {
			name, attached = words[i+1], true
		}
		switch {
		case attached:
			isShell = shells[programName(name)]
		case isShell && isOption(word) && word[1] != '-' && strings.HasSuffix(word, "c"):
			return i
		}
	}
	return -1
}

// isOption says whether a word is an option. What it is by a template is not known.
func isOption(word string) bool { return len(word) > 1 && (word[0] == '-' || word[0] == '+') }

// isOptional says whether a word may be left out. Where it comes before a script, it is taken for an option.
func isOptional(word string) bool { return isTemplate(word) && strings.Contains(word, "leaveOut") }

func isTemplate(word string) bool { return strings.Contains(word, "{{") }

// shellScript is the syntax of shells.
func shellScript(words []string) (scripts []int, end int) {
	given := false
	i := 0
	for i < len(words) && (isOption(words[i]) || words[i] == "-" || isOptional(words[i])) {
		word := words[i]
		i++
		if word == "-" || word == "--" {
			break
		}
		if isTemplate(word) && !strings.HasPrefix(word, "--command=") {
			continue
		}
		if long, ok := strings.CutPrefix(word, "--"); ok {
			name, _, attached := strings.Cut(long, "=")
			switch {
			case name == "command" && attached:
				return []int{i - 1}, i
			case name == "command":
				given = true
			case !attached && (name == "rcfile" || name == "init-file" || name == "init-command"):
				i++
			}
			continue
		}
		given = given || strings.Contains(word, "c")
		i += strings.Count(word, "o") + strings.Count(word, "O") // -o errexit
	}
	switch {
	case i >= len(words):
		return nil, len(words)
	case given:
		return []int{i}, min(i+2, len(words)) // After the script comes $0, which may be the name of a shell.
	}
	return nil, i
}
