//go:build !race

package gotemplate

// maxStack is the stack of a process for rendering.
const maxStack = 16 << 20
