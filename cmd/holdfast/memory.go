package main

import (
	"fmt"
	"os"
	"runtime/debug"
)

// What a server takes of the memory at most, where there is enough: 1.5 GB in all.
// ARCHITECTURE.md has the table that these are two rows of.
const (
	heapMost   = 768 << 20   // Go's, with its stacks and what it keeps free
	searchMost = 512_000_000 // the engine's, for searches and counting together
	// What is less is not worth a limit: the collector would run all the time, and
	// hardly a search would be answered.
	heapLeast   = 192 << 20
	searchLeast = 64_000_000
)

// shares are how much of the memory may be whose.
type shares struct{ heap, search int64 }

// sharesOf shares out the memory that there is, 0 if that is not known: two fifths
// are Go's and a quarter the engine's. The rest is the program itself, what its
// libraries in C keep, and the system's, which keeps the newest segments in it.
func sharesOf(total uint64) shares {
	if total == 0 {
		return shares{heapMost, searchMost}
	}
	return shares{
		heap:   int64(min(max(total/5*2, heapLeast), heapMost)),
		search: int64(min(max(total/4, searchLeast), searchMost)),
	}
}

// limit is the engine's share as it is told.
func (s shares) limit() string { return fmt.Sprintf("%dMB", s.search/1_000_000) }

// roomy lets the heap grow by so many percent of what is live before it is
// collected, but to so many bytes only. GOGC and GOMEMLIMIT say otherwise.
func roomy(percent int, most int64) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(most)
	}
}
