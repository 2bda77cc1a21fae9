package file

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// source is the bytes of a file as its writer wrote them.
type source interface {
	io.ReaderAt
	io.Closer
	// Size is -1 as long as it is not known.
	Size() int64
}

// plain is a file that is not packed.
type plain struct{ *os.File }

func (p plain) Size() int64 {
	info, err := p.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// unpackedMost bounds what is read of a packed file: so many times its size, or
// unpackedLeast, whichever is more. Logs shrink to a tenth or a thirtieth.
const (
	unpackedMost  = 300
	unpackedLeast = 256 << 20
)

// packed reports whether a name says that the file is packed in a way that is
// read; other reports one that is not.
func packed(name string) bool {
	ext := strings.ToLower(filepath.Ext(name))
	return ext == ".gz" || ext == ".zst"
}

func otherPacked(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".xz", ".bz2", ".lz4", ".zip", ".7z":
		return true
	}
	return false
}

// unpacked reads a packed file from its beginning on; going back begins anew.
type unpacked struct {
	f     *os.File
	zst   bool
	r     io.Reader
	close func()
	at    int64
	most  int64
	size  int64
	end   error // why the reader ended
}

func openPacked(name string, least int64) (*unpacked, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	u := &unpacked{f: f, zst: strings.EqualFold(filepath.Ext(name), ".zst"), close: func() {}, size: -1, most: max(least, unpackedMost*info.Size())}
	if err := u.begin(); err != nil {
		f.Close()
		return nil, err
	}
	return u, nil
}

func (u *unpacked) begin() error {
	u.close()
	u.close, u.at, u.end = func() {}, 0, nil
	if _, err := u.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if u.zst {
		z, err := zstd.NewReader(u.f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20))
		if err != nil {
			return fmt.Errorf("zstd: %w", err)
		}
		u.r, u.close = z, z.Close
		return nil
	}
	z, err := gzip.NewReader(u.f)
	if err != nil {
		return fmt.Errorf("gzip: %w", err)
	}
	u.r = z
	return nil
}

func (u *unpacked) ReadAt(b []byte, off int64) (int, error) {
	if off < u.at {
		if err := u.begin(); err != nil {
			return 0, err
		}
	}
	if off > u.at && u.end == nil {
		n, err := io.CopyN(io.Discard, u.r, off-u.at)
		u.at += n
		u.ended(err)
	}
	if off != u.at {
		return 0, u.why()
	}
	n := 0
	for n < len(b) && u.end == nil {
		if u.at >= u.most {
			return n, fmt.Errorf("it unpacks to more than %d MiB; what is beyond is not read", u.most>>20)
		}
		m, err := u.r.Read(b[n:])
		n, u.at = n+m, u.at+int64(m)
		u.ended(err)
	}
	if n < len(b) {
		return n, u.why()
	}
	return n, nil
}

func (u *unpacked) ended(err error) {
	if err == nil {
		return
	}
	u.end = err
	if errors.Is(err, io.EOF) {
		u.size = u.at
	}
}

func (u *unpacked) why() error {
	if errors.Is(u.end, io.EOF) && !errors.Is(u.end, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return fmt.Errorf("damaged, or not written to its end: %w", u.end)
}

func (u *unpacked) Size() int64 { return u.size }

func (u *unpacked) Close() error {
	u.close()
	return u.f.Close()
}
