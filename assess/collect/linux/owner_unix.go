//go:build unix

package linux

import (
	"io/fs"
	"syscall"

	"holdfast"
)

// dontWait opens a pipe without waiting for its other end.
const dontWait = syscall.O_NONBLOCK

func owner(info fs.FileInfo, r holdfast.Row) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		r["uid"], r["gid"] = int64(st.Uid), int64(st.Gid)
	}
}
