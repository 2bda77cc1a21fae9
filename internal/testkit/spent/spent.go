//go:build unix

// Package spent tells how much processors' time this process has used, so that
// what a machine does besides is not measured. It leaves the clock on the wall to
// package time.
package spent

import (
	"syscall"
	"testing"
	"time"
)

// Time returns the processors' time of this process until now.
func Time(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
