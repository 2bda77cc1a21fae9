package host

import "golang.org/x/sys/windows"

// Disk returns the free and total bytes of the disk that holds a folder.
func Disk(dir string) (free, total uint64, err error) {
	p, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, 0, err
	}
	err = windows.GetDiskFreeSpaceEx(p, &free, &total, nil)
	return free, total, err
}
