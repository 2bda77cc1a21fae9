//go:build windows

package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// idOf names a file by volume and index, which the system gives only for open
// files: info is compared with the open file like, and any other is "another".
func idOf(info fs.FileInfo, like *os.File) string {
	if like != nil {
		if open, err := like.Stat(); err == nil && os.SameFile(open, info) {
			return handleID(like)
		}
	}
	return "another"
}

func handleID(f *os.File) string {
	var x windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &x); err != nil {
		return ""
	}
	return fmt.Sprintf("%d:%d", x.VolumeSerialNumber, uint64(x.FileIndexHigh)<<32|uint64(x.FileIndexLow))
}

// lacks says what went wrong and which right would heal it.
func lacks(name string, _ fs.FileInfo, err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Sprintf("cannot read %s: access denied; run as an administrator", name)
	}
	return fmt.Sprintf("cannot read %s: %v", name, err)
}
