package scan

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"holdfast/ingest/evtx"
)

const (
	// maxDepth bounds archives in archives, maxMembers the files of all that one
	// file holds.
	maxDepth   = 6
	maxMembers = 1_000_000
	// A file may unpack to maxRatio times its size, or minRoom if that is less,
	// but never to more than maxRoom. Logs shrink to a thirtieth, very dull ones
	// to a hundredth.
	maxRatio = 200
	minRoom  = 64 << 20
	maxRoom  = 1 << 42
	// perEvent is what an event counts beside its bytes, as many tiny ones cost
	// more time than their bytes tell.
	perEvent = 100
)

// room is how much may come out of a file of this size.
func room(size int64) int64 {
	if size > maxRoom/maxRatio {
		return maxRoom
	}
	return max(minRoom, size*maxRatio)
}

// archive reads one file of the disk and all that is packed in it. It serves
// one goroutine.
type archive struct {
	w       *worker
	ctx     context.Context //nolint:containedctx // lives as long as one file is read
	room    int64           // bytes that may still be unpacked
	given   int64           // records that are taken from the room
	members int
	full    bool
}

var errRoom = errors.New("it unpacks to far more than its size, the rest is left out; unpack it first if all is to be read")

// limited gives what is unpacked, as long as there is room in the archive, and
// for this file of it.
type limited struct {
	io.Reader
	a     *archive
	room  int64
	given int64 // records that are taken from the room
}

func (a *archive) limited(r io.Reader, room int64) *limited {
	return &limited{r, a, room, a.w.given}
}

func (l *limited) Read(p []byte) (int, error) {
	a := l.a
	now := a.w.given
	a.room -= (now - a.given) * perEvent
	l.room -= (now - l.given) * perEvent
	a.given, l.given = now, now
	if a.room <= 0 || l.room <= 0 {
		return 0, errRoom
	}
	n, err := l.Reader.Read(p[:min(int64(len(p)), a.room, l.room)])
	a.room -= int64(n)
	l.room -= int64(n)
	return n, err
}

// others are forms that are known and not read.
var others = []struct{ magic, what string }{
	{"\xfd7zXZ\x00", "xz is not read; unpack it first (unxz)"},
	{"7z\xbc\xaf\x27\x1c", "7z is not read; unpack it first (7z x)"},
	{"Rar!\x1a\x07", "rar is not read; unpack it first (unrar x)"},
	{"\x04\x22\x4d\x18", "lz4 is not read; unpack it first (unlz4)"},
	{"PAR1", "Parquet is not read; export it as JSON first"},
	{"SQLite format 3\x00", "SQLite is not read; export its tables as JSON or CSV first"},
	{"\xd4\xc3\xb2\xa1", "packets are not read; have Zeek or Suricata read them first"},
	{"\x0a\x0d\x0d\x0a", "packets are not read; have Zeek or Suricata read them first"},
	{"regf", "registry hives are not read"},
}

// buffers are those of streams, which thousands of small files would each make.
var buffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 256<<10) }}

// stream reads one file, or one inside another. At is the same where it can be
// read at any place, and nil where it can not.
func (a *archive) stream(path string, r io.Reader, at *io.SectionReader, depth int) {
	if a.ctx.Err() != nil || a.full {
		return
	}
	if depth > maxDepth {
		a.w.s.left(path, "archives in archives, more than %d; unpack it first", maxDepth)
		return
	}
	b := buffers.Get().(*bufio.Reader)
	b.Reset(r)
	defer func() { b.Reset(nil); buffers.Put(b) }()
	head, err := b.Peek(tells)
	switch {
	case len(head) == 0 && err != nil && !errors.Is(err, io.EOF):
		a.fail(path, "", err)
	case len(head) == 0:
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(b)
		if err != nil {
			a.fail(path, "gzip: ", err)
			return
		}
		defer z.Close()
		a.inner(path, z, depth)
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20))
		if err != nil {
			a.fail(path, "zstd: ", err)
			return
		}
		defer z.Close()
		a.inner(path, z, depth)
	case len(head) > 10 && bytes.HasPrefix(head, []byte("BZh")) && (bytes.HasPrefix(head[4:], []byte("1AY&SY")) || bytes.HasPrefix(head[4:], []byte("\x17rE8P\x90"))):
		a.inner(path, bzip2.NewReader(b), depth)
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		if at == nil {
			all, ok := a.w.whole(path, b)
			if !ok {
				return
			}
			at = io.NewSectionReader(bytes.NewReader(all), 0, int64(len(all)))
			a.zip(path, at, depth)
			return
		}
		a.zip(path, at, depth)
		a.w.s.bytes.Add(at.Size() - int64(b.Buffered()))
	case len(head) > 262 && string(head[257:262]) == "ustar":
		a.tar(path, tar.NewReader(b), depth)
	case evtx.Is(head):
		a.w.packedLog(a.ctx, path, b)
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}), bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		big := head[0] == 0xfe
		_, _ = b.Discard(2)
		a.w.records(a.ctx, path, bufio.NewReaderSize(&utf16Reader{r: b, big: big}, 256<<10))
	default:
		for _, o := range others {
			if bytes.HasPrefix(head, []byte(o.magic)) {
				a.w.s.left(path, "%s", o.what)
				return
			}
		}
		a.w.records(a.ctx, path, b)
	}
}

// inner reads what comes out of something packed.
func (a *archive) inner(path string, r io.Reader, depth int) {
	a.stream(path, a.limited(r, maxRoom), nil, depth+1)
}

func (a *archive) fail(path, what string, err error) {
	if errors.Is(err, errRoom) && a.room <= 0 {
		a.full = true
	}
	a.w.s.left(path, "%s%v", what, err)
}

// member counts a file of an archive, and says whether it may be read.
func (a *archive) member(path string) bool {
	if a.ctx.Err() != nil || a.full {
		return false
	}
	if a.members++; a.members > maxMembers {
		a.full = true
		a.w.s.left(path, "the archive holds more than %d files; the rest is left out", maxMembers)
		return false
	}
	if a.room <= 0 {
		a.full = true
		a.w.s.left(path, "%v", errRoom)
		return false
	}
	return true
}

func (a *archive) tar(path string, t *tar.Reader, depth int) {
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			a.fail(path, "tar: ", err)
			return
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if !a.member(path) {
			return
		}
		a.inner(within(path, h.Name), t, depth)
	}
}

func (a *archive) zip(path string, at *io.SectionReader, depth int) {
	z, err := zip.NewReader(at, at.Size())
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		a.fail(path, "zip: ", err)
		return
	}
	for _, f := range z.File {
		if f.FileInfo().IsDir() {
			continue
		}
		if !a.member(path) {
			return
		}
		name := within(path, f.Name)
		if f.Flags&1 != 0 {
			a.w.s.left(name, "it is encrypted; unpack it first")
			continue
		}
		r, err := f.Open()
		if err != nil {
			a.w.s.left(name, "zip: %v", err)
			continue
		}
		packed := int64(min(f.CompressedSize64, uint64(at.Size())))
		a.stream(name, a.limited(r, room(packed)), nil, depth+1)
		r.Close()
	}
}

// within names a file of an archive. The name is only shown: nothing is written
// there, and what could disturb a terminal is taken out.
func within(path, name string) string {
	name = strings.ToValidUTF8(name, "?")
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, name)
	if len(name) > 512 {
		name = name[:512] + "…"
	}
	return fmt.Sprintf("%s!%s", path, name)
}
