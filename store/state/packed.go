package state

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"

	unpack "github.com/klauspost/compress/zstd"

	"holdfast/internal/zstd"
)

// Long bodies of some nouns are packed in SQLite, which writes whole pages and each
// of them twice, to its log and to its file. PostgreSQL packs long texts by itself.

const (
	// shortBody is less than what is worth packing: it has room in one page. Of such
	// there are many in a storm, where packing them would cost more than it saves.
	shortBody = 4 << 10
	// longestPacked is the most that a packed body may unpack to. A longer one is
	// kept as it is, so that none is kept that is not read again.
	longestPacked = 64 << 20
)

// frameStart are the first bytes of every zstd frame. No JSON begins with them.
var frameStart = []byte{0x28, 0xb5, 0x2f, 0xfd}

var bodies = zstd.New(zstd.Fast)

var unpacker = sync.OnceValue(func() *unpack.Decoder {
	d, err := unpack.NewReader(nil, unpack.WithDecoderMaxMemory(longestPacked), unpack.WithDecoderConcurrency(2))
	if err != nil {
		panic(err) // the options are right
	}
	return d
})

// packed is what is kept of a body in place of its text, or nil if that is as good.
// The room is used for it and returned to be used again.
func packed(body, room []byte) (short, again []byte) {
	if len(body) < shortBody || len(body) > longestPacked {
		return nil, room
	}
	room = bodies.Append(room[:0], body)
	return bytes.Clone(room), room
}

// readBody reads the JSON of a body, whether it is packed or not.
func readBody(body []byte, into any) error {
	var err error
	if bytes.HasPrefix(body, frameStart) {
		body, err = unpacker().DecodeAll(body, nil)
	}
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	if err != nil {
		return fmt.Errorf("a row is damaged: %w", err)
	}
	return nil
}
