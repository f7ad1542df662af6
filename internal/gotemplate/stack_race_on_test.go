//go:build race

package gotemplate

// maxStack is larger under the race detector, which makes the frames of functions larger.
const maxStack = 64 << 20
