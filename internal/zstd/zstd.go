// Package zstd packs bytes into zstd frames (RFC 8878): by the library in C where
// the program is built with cgo, which takes half the time, else in Go. Every
// reader of zstd reads them; reading is left to others.
package zstd

import "slices"

// Level says how hard to try.
type Level int

// The levels in use.
const (
	Fast  Level = iota // for what somebody waits for
	Alike              // the same where what is alike stands side by side: faster still
	Small              // for what is written once and kept
)

// Packer packs at one level. It may be used from many goroutines.
type Packer struct{ with packer }

// New makes a packer.
func New(level Level) *Packer { return &Packer{newPacker(level)} }

// Append appends src to dst, packed. What it appends to has room for the worst
// afterwards, so a slice that is used again is made once.
func (p *Packer) Append(dst, src []byte) []byte {
	return p.with.append(slices.Grow(dst, worst(len(src))), src)
}

// worst is the most bytes that n become.
func worst(n int) int { return n + n>>8 + 128 }
