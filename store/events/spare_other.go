//go:build !linux || !cgo

package events

// spare is 0 where DuckDB takes its memory from the system's allocator.
func spare() uint64 { return 0 }

func purge() {}
