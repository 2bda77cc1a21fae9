package zstd_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	reader "github.com/klauspost/compress/zstd"

	"holdfast/internal/zstd"
)

// TestEveryReaderReadsIt has the library in Go read what was packed, whatever
// packed it.
func TestEveryReaderReadsIt(t *testing.T) {
	dec, err := reader.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	noise := make([]byte, 3<<20)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	for _, plain := range [][]byte{nil, []byte("a"), []byte(strings.Repeat("Failed password for root ", 100_000)), noise, make([]byte, 1<<20)} {
		for _, level := range []zstd.Level{zstd.Fast, zstd.Alike, zstd.Small} {
			p := zstd.New(level)
			for _, dst := range [][]byte{nil, []byte("before"), append(make([]byte, 0, 4<<20), "before"...)} {
				var all sync.WaitGroup
				for range 4 {
					dst := bytes.Clone(dst)
					all.Go(func() {
						packed := p.Append(dst, plain)
						if !bytes.HasPrefix(packed, dst) {
							t.Error("what stood before was changed")
						}
						got, err := dec.DecodeAll(packed[len(dst):], nil)
						if err != nil || !bytes.Equal(got, plain) {
							t.Errorf("%d bytes at level %d came back as %d: %v", len(plain), level, len(got), err)
						}
					})
				}
				all.Wait()
			}
		}
	}
}
