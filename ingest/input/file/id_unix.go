//go:build unix

package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// idOf names a file by device and inode.
func idOf(info fs.FileInfo, _ *os.File) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// lacks says what went wrong and which right would heal it.
func lacks(name string, info fs.FileInfo, err error) string {
	if !errors.Is(err, fs.ErrPermission) {
		return fmt.Sprintf("cannot read %s: %v", name, err)
	}
	do := "run as root"
	if info != nil && info.Mode().Perm()&0o040 != 0 {
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			group := strconv.FormatUint(uint64(st.Gid), 10)
			if g, err := user.LookupGroupId(group); err == nil {
				group = g.Name
			}
			do += " or join group " + group
		}
	}
	return fmt.Sprintf("cannot read %s: permission denied; %s", name, do)
}
