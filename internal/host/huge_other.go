//go:build !linux

package host

// PreferHuge asks the system for large pages, where there is a way to.
func PreferHuge([]byte) {}
