//go:build cgo && (linux || darwin) && (amd64 || arm64)

package zstd

import "github.com/valyala/gozstd"

type packer Level

func newPacker(level Level) packer { return packer(level) }

func (p packer) append(dst, src []byte) []byte {
	if len(src) == 0 { // an empty frame, which the library's binding leaves out
		return append(dst, 0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x00, 0x01, 0x00, 0x00)
	}
	return gozstd.CompressLevel(dst, src, int(p))
}
