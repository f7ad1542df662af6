//go:build !race

package gotemplate

// maxStack is the stack of a process for rendering.
const maxStack = 16 << 20

// underRace says that the race detector runs, which makes what costs much cost ten times as much.
const underRace = false
