package spool

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"holdfast"
	"holdfast/agent/wire"
)

// A frame is: length of the payload (4 bytes, big endian), CRC-32C of all that
// follows (4), kind (1), number (8), payload.
const (
	headLen  = 17
	maxFrame = wire.MaxEvents

	kindRecords   = 'R' // payload: compressed JSON list of records
	kindPositions = 'P' // payload: JSON map of positions
)

var errTorn = errors.New("torn frame")

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

func appendFrame(b []byte, kind byte, seq uint64, payload []byte) []byte {
	at := len(b)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	b = append(b, 0, 0, 0, 0, kind)
	b = binary.BigEndian.AppendUint64(b, seq)
	b = append(b, payload...)
	binary.BigEndian.PutUint32(b[at+4:], crc32.Checksum(b[at+8:], castagnoli()))
	return b
}

type frame struct {
	kind    byte
	seq     uint64
	payload []byte
	size    int64 // with its head
}

// readFrame reads one frame. It returns io.EOF at a clean end and errTorn for
// anything that is no whole frame.
func readFrame(r io.Reader) (frame, error) {
	var head [headLen]byte
	if n, err := io.ReadFull(r, head[:]); err != nil {
		if n == 0 && errors.Is(err, io.EOF) {
			return frame{}, io.EOF
		}
		return frame{}, errTorn
	}
	n := binary.BigEndian.Uint32(head[:])
	kind := head[8]
	if n > maxFrame || kind != kindRecords && kind != kindPositions {
		return frame{}, errTorn
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		return frame{}, errTorn
	}
	sum := crc32.Update(crc32.Checksum(head[8:], castagnoli()), castagnoli(), payload)
	if sum != binary.BigEndian.Uint32(head[4:]) {
		return frame{}, errTorn
	}
	return frame{kind, binary.BigEndian.Uint64(head[9:]), payload, headLen + int64(n)}, nil
}

func (f frame) records() ([]holdfast.Record, error) {
	var rs []holdfast.Record
	if err := wire.DecodeBytes(f.payload, &rs, maxFrame); err != nil {
		return nil, fmt.Errorf("frame %d: %w", f.seq, err)
	}
	return rs, nil
}

func (f frame) positions() (map[string]string, error) {
	m := map[string]string{}
	if err := json.Unmarshal(f.payload, &m); err != nil {
		return nil, fmt.Errorf("positions in frame %d: %w", f.seq, err)
	}
	return m, nil
}
