package chaos

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// Newest returns the file that was written last among those that a pattern
// names, "" if there is none.
func Newest(pattern string) string {
	names, _ := filepath.Glob(pattern)
	newest, at := "", time.Time{}
	for _, name := range names {
		if i, err := os.Stat(name); err == nil && i.Mode().IsRegular() && !i.ModTime().Before(at) {
			newest, at = name, i.ModTime()
		}
	}
	return newest
}

// Tear leaves at the end of a file what a power cut leaves of an append that was
// under way: nothing that was in the file before is touched, for that may have
// been synced. Behind it come zeros, for the length was written and the bytes
// were not; or the first part of a record that looks like the file's own; or
// whatever was in that place of the disk. It returns what it did.
func Tear(r *rand.Rand, name string) (string, error) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	torn := make([]byte, 1+r.IntN(5000))
	what := "zeros"
	switch r.IntN(3) {
	case 0:
		what = "a part of its own bytes"
		n, err := f.ReadAt(torn, r.Int64N(max(1, size-int64(len(torn)))))
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		torn = torn[:n]
	case 1:
		what = "garbage"
		for i := range torn {
			torn[i] = byte(r.Uint32())
		}
	}
	_, err = f.WriteAt(torn, size)
	return what, err
}
