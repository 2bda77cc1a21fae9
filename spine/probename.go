package spine

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"time"
)

// probeNames are the account names with which proofs try to log in. A name proves
// itself, by the time when it was made and a MAC (RFC 2104) under this key, which
// lies in the state: so every node knows the names of the others, and those from
// before it was killed, whose log lines may arrive much later.
type probeNames []byte

const (
	probePrefix = "hfprobe-"
	// probeAge is how long a name holds. Whoever reads the host's log could hide a
	// few attempts behind it for so long.
	probeAge = time.Hour
	// A name is four bytes of Unix time, two of chance and eight of the MAC.
	probePlain, probeWhole = 6, 14
)

var probeText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// name makes a name of 31 letters, which is as long as account names may be.
func (k probeNames) name(now time.Time) string {
	plain := binary.BigEndian.AppendUint32(nil, uint32(now.Unix()))     // until 2106
	plain = binary.BigEndian.AppendUint16(plain, uint16(rand.Uint32())) // tells apart, and hides nothing
	return probePrefix + probeText.EncodeToString(append(plain, k.mac(plain)...))
}

// made reports whether a text is a name that was made within the last hour.
func (k probeNames) made(text string, now time.Time) bool {
	text, ok := strings.CutPrefix(text, probePrefix)
	if !ok || len(text) != probeText.EncodedLen(probeWhole) {
		return false
	}
	b, err := probeText.DecodeString(text)
	if err != nil || !hmac.Equal(b[probePlain:], k.mac(b[:probePlain])) {
		return false
	}
	age := now.Sub(time.Unix(int64(binary.BigEndian.Uint32(b)), 0))
	return -probeAge < age && age < probeAge
}

func (k probeNames) mac(plain []byte) []byte {
	h := hmac.New(sha256.New, k)
	h.Write(plain)
	return h.Sum(nil)[:probeWhole-probePlain]
}
