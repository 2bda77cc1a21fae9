//go:build cgo && (linux || darwin) && (amd64 || arm64)

package zstd

/*
#include <stddef.h>
#include <stdint.h>

// Of zstd.h, as far as it is used here. gozstd brings the library itself, whose own
// calls set nothing but the level.
typedef struct ZSTD_CCtx_s ZSTD_CCtx;
ZSTD_CCtx *ZSTD_createCCtx(void);
size_t ZSTD_freeCCtx(ZSTD_CCtx *);
size_t ZSTD_CCtx_setParameter(ZSTD_CCtx *, int, int);
size_t ZSTD_compress2(ZSTD_CCtx *, void *, size_t, const void *, size_t);
unsigned ZSTD_isError(size_t);

#cgo noescape hf_pack
#cgo nocallback hf_pack
static int64_t hf_pack(ZSTD_CCtx *c, void *dst, size_t room, const void *src, size_t n) {
	size_t got = ZSTD_compress2(c, dst, room, src, n);
	return ZSTD_isError(got) ? -1 : (int64_t)got;
}

static int hf_set(ZSTD_CCtx *c, int what, int to) { return !ZSTD_isError(ZSTD_CCtx_setParameter(c, what, to)); }
*/
import "C"

import (
	"runtime"
	"sync"
	"unsafe"

	_ "github.com/valyala/gozstd" // brings the library
)

// The library's numbers for its parameters, from zstd.h.
const (
	compressionLevel = 100
	hashLog          = 102
	targetLength     = 106
	literalMode      = 1002
)

// parameters are those of each level. What is alike comes again soon or not at all:
// with 8,192 places instead of 16,384 it is found as often, and they stay near the
// processor. Where nothing is found every other byte is passed over, as negative levels
// do, but literals are packed, as they do not. That takes a fifth less time; what is
// made for tests becomes smaller by 2 %, recorded events of Windows larger by 2 %.
// What stands in a block as it came becomes larger by 6 %, so there it is not worth it.
var parameters = map[Level][][2]C.int{
	Fast:  {{compressionLevel, 1}},
	Alike: {{compressionLevel, 1}, {hashLog, 13}, {targetLength, 2}, {literalMode, 1}},
	Small: {{compressionLevel, 6}},
}

// packer keeps contexts of the library, one for each goroutine that packs.
type packer struct{ idle *sync.Pool }

type context struct{ c *C.ZSTD_CCtx }

func newPacker(level Level) packer {
	return packer{&sync.Pool{New: func() any { return newContext(level) }}}
}

func newContext(level Level) *context {
	x := &context{C.ZSTD_createCCtx()}
	if x.c == nil {
		panic("zstd: no memory")
	}
	runtime.AddCleanup(x, func(c *C.ZSTD_CCtx) { C.ZSTD_freeCCtx(c) }, x.c)
	for _, p := range parameters[level] {
		if C.hf_set(x.c, p[0], p[1]) == 0 {
			panic("zstd: the library knows other parameters")
		}
	}
	return x
}

// append expects room for the worst.
func (p packer) append(dst, src []byte) []byte {
	x := p.idle.Get().(*context)
	room := dst[len(dst):cap(dst)]
	n := C.hf_pack(x.c, unsafe.Pointer(unsafe.SliceData(room)), C.size_t(len(room)), unsafe.Pointer(unsafe.SliceData(src)), C.size_t(len(src)))
	p.idle.Put(x)
	if n < 0 {
		panic("zstd: less room than for the worst")
	}
	return dst[:len(dst)+int(n)]
}
