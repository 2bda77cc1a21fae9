package detect

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"holdfast"
)

type snapshot struct {
	Version     int             `json:"version"`
	Seq         uint64          `json:"seq"`
	Correlation json.RawMessage `json:"correlation"`
	// Hidden is what filters and exceptions have hidden, by id.
	Hidden map[string]*holdfast.Hidden `json:"hidden,omitempty"`
	// Seen are the ids of the newest events that a rule held for.
	Seen string `json:"seen,omitempty"`
}

const snapshotVersion = 1

// Snapshot writes the state after the last block processed: its number, the
// windows and the live alerts.
func (d *Detector) Snapshot() ([]byte, error) {
	b, _, err := d.SnapshotAt()
	return b, err
}

// SnapshotAt is Snapshot that also returns the number of the last block.
func (d *Detector) SnapshotAt() ([]byte, uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, err := d.correlator.Snapshot()
	if err != nil {
		return nil, 0, err
	}
	b, err := json.Marshal(snapshot{snapshotVersion, d.seq, c, d.hidden, d.seen.write()})
	if err != nil {
		return nil, 0, fmt.Errorf("write detection state: %w", err)
	}
	packed, err := d.pack(b)
	return packed, d.seq, err
}

// Restore reads what Snapshot wrote. Load the rules first: state of rules that
// are not loaded, or have changed, is left behind. Damage changes nothing and
// gives an error that wraps holdfast.ErrInvalid.
func (d *Detector) Restore(b []byte) error {
	b, err := unpack(b)
	if err != nil {
		return err
	}
	var s snapshot
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("read detection state: %w: %w", holdfast.ErrInvalid, err)
	}
	if s.Version != snapshotVersion {
		return fmt.Errorf("detection state has version %d, this program reads %d: %w", s.Version, snapshotVersion, holdfast.ErrInvalid)
	}
	seen, err := readSeen(s.Seen)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.correlator.Restore(s.Correlation); err != nil {
		return err
	}
	d.seq, d.seen = s.Seq, seen
	d.hidden = map[string]*holdfast.Hidden{}
	for id, h := range s.Hidden {
		if h != nil {
			d.hidden[id] = h
		}
	}
	return nil
}

// maxState bounds what a state may unpack to.
const maxState = 1 << 30

// magic begins every frame of zstd (RFC 8878, section 3.1.1).
var magic = []byte{0x28, 0xb5, 0x2f, 0xfd}

func (d *Detector) pack(plain []byte) ([]byte, error) {
	if d.packer == nil {
		var err error
		if d.packer, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true)); err != nil {
			return nil, fmt.Errorf("write detection state: %w", err)
		}
	}
	return d.packer.EncodeAll(plain, nil), nil
}

// unpack also takes a state that is not packed, as it was once written.
func unpack(b []byte) ([]byte, error) {
	if !bytes.HasPrefix(b, magic) {
		return b, nil
	}
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxState))
	if err != nil {
		return nil, fmt.Errorf("read detection state: %w", err)
	}
	defer r.Close()
	plain, err := r.DecodeAll(b, nil)
	if err != nil {
		return nil, fmt.Errorf("read detection state: %w: %w", holdfast.ErrInvalid, err)
	}
	return plain, nil
}
