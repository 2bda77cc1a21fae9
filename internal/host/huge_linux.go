//go:build linux

package host

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// PreferHuge asks the system to back memory by pages of two megabytes, where it
// covers such. Tables that are read all over are then found without misses of
// the translation cache. It is a wish: nothing is wrong if it is not granted.
func PreferHuge(b []byte) {
	const size = 2 << 20
	start := uintptr(unsafe.Pointer(unsafe.SliceData(b))) //nolint:gosec // only an address
	skip := int(-start & (size - 1))
	if n := (len(b) - skip) &^ (size - 1); n > 0 {
		_ = unix.Madvise(b[skip:skip+n], unix.MADV_HUGEPAGE)
	}
}
