package state

import (
	"crypto/sha256"
	"encoding/json"
	"sync"

	"holdfast"
)

// mostDecoded bounds the segments that are kept decoded, by the bytes of their
// text: 32 MiB.
const mostDecoded = 32 << 20

// segments keeps segments decoded, by the sum of their text: every search asks
// for those of its range, and they seldom change.
type segments struct {
	mu    sync.Mutex
	by    map[[sha256.Size]byte]holdfast.Segment
	bytes int
}

func (k *segments) decode(body string) (seg holdfast.Segment, err error) {
	if k == nil {
		return seg, json.Unmarshal([]byte(body), &seg)
	}
	sum := sha256.Sum256([]byte(body))
	k.mu.Lock()
	seg, ok := k.by[sum]
	k.mu.Unlock()
	if ok {
		return seg, nil
	}
	if err := json.Unmarshal([]byte(body), &seg); err != nil {
		return seg, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.bytes += len(body); k.by == nil || k.bytes > mostDecoded {
		k.by, k.bytes = map[[sha256.Size]byte]holdfast.Segment{}, len(body)
	}
	k.by[sum] = seg
	return seg, nil
}
