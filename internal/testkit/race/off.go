//go:build !race

// Package race says whether the race detector is on. With it, pools forget what
// they hold, so that tests that count allocations have nothing to count.
package race

// On says that the race detector is on.
const On = false
