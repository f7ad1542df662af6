//go:build race

package gotemplate

// maxStack is larger under the race detector, which makes the frames of functions larger.
const maxStack = 64 << 20

// underRace says that the race detector runs, which makes what costs much cost ten times as much.
const underRace = true
