//go:build unix

package linux

import (
	"io/fs"
	"syscall"

	"holdfast"
)

func owner(info fs.FileInfo, r holdfast.Row) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		r["uid"], r["gid"] = int64(st.Uid), int64(st.Gid)
	}
}
