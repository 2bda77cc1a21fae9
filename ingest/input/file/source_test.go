package file

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// FuzzUnpacked reads any bytes as a packed file: what comes is the same from
// whichever place it is asked for, and no more than is allowed.
func FuzzUnpacked(f *testing.F) {
	text := bytes.Repeat([]byte("a line of a log\n"), 100)
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	if _, err := w.Write(text); err != nil {
		f.Fatal(err)
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	z, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(gz.Bytes(), uint16(700))
	f.Add(gz.Bytes()[:gz.Len()-9], uint16(3))
	f.Add(z.EncodeAll(text, nil), uint16(1))
	f.Fuzz(func(t *testing.T, b []byte, at uint16) {
		const most = 1 << 20
		for _, name := range []string{"x.gz", "x.zst"} {
			name = filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
			u, err := openPacked(name, most)
			if err != nil {
				continue
			}
			all := make([]byte, most+unpackedMost*len(b)+1)
			n, err := u.ReadAt(all, 0)
			if err == nil {
				t.Errorf("more than %d bytes came", len(all)-1)
			}
			if int(at) < n {
				part := make([]byte, n-int(at))
				if m, err := u.ReadAt(part, int64(at)); m != len(part) || err != nil && !errors.Is(err, io.EOF) || !bytes.Equal(part, all[at:n]) {
					t.Errorf("%d bytes at %d, want %d: %v", m, at, len(part), err)
				}
			}
			if s := u.Size(); s >= 0 && s != int64(n) {
				t.Errorf("%d bytes, its size is %d", n, s)
			}
			u.Close()
		}
	})
}
