//go:build race

package sandbox

// underRace says that the race detector runs, which takes memory and ends a process in its own way when there is none.
const underRace = true
