//go:build !cgo || !(linux || darwin) || !(amd64 || arm64)

package zstd

import "github.com/klauspost/compress/zstd"

type packer struct{ enc *zstd.Encoder }

func newPacker(level Level) packer {
	speed := zstd.SpeedFastest
	if level == Small {
		speed = zstd.SpeedBetterCompression
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(speed), zstd.WithZeroFrames(true), zstd.WithEncoderCRC(false))
	if err != nil {
		panic(err) // the options are right
	}
	return packer{enc}
}

func (p packer) append(dst, src []byte) []byte { return p.enc.EncodeAll(src, dst) }
