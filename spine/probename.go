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

// provenNames are account names that nobody has, with which the loop tries to log in.
// A name proves itself, by the time when it was made and a MAC (RFC 2104) under a
// key that lies in the state: so every node knows the names of the others, and those
// from before it was killed, whose log lines may arrive later.
type provenNames struct {
	key    []byte
	prefix string // eight bytes
	// age is how long a name holds. Whoever reads the host's log could hide a few
	// attempts behind it for so long.
	age time.Duration
}

const (
	probePrefix = "hfprobe-"
	probeAge    = time.Hour
	drillPrefix = "hfdrill-"
	drillAge    = 5 * time.Minute // a drill takes one at most
	// A name is four bytes of Unix time, two of chance and eight of the MAC.
	namePlain, nameWhole = 6, 14
)

var nameText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// name makes a name of 31 letters, which is as long as account names may be.
func (k provenNames) name(now time.Time) string {
	plain := binary.BigEndian.AppendUint32(nil, uint32(now.Unix()))     // until 2106
	plain = binary.BigEndian.AppendUint16(plain, uint16(rand.Uint32())) // tells apart, and hides nothing
	return k.prefix + nameText.EncodeToString(append(plain, k.mac(plain)...))
}

// made reports whether a text is a name that was made not longer than their age ago.
func (k provenNames) made(text string, now time.Time) bool {
	text, ok := strings.CutPrefix(text, k.prefix)
	if !ok || len(text) != nameText.EncodedLen(nameWhole) {
		return false
	}
	b, err := nameText.DecodeString(text)
	if err != nil || !hmac.Equal(b[namePlain:], k.mac(b[:namePlain])) {
		return false
	}
	age := now.Sub(time.Unix(int64(binary.BigEndian.Uint32(b)), 0))
	return -k.age < age && age < k.age
}

func (k provenNames) mac(plain []byte) []byte {
	h := hmac.New(sha256.New, k.key)
	h.Write([]byte(k.prefix))
	h.Write(plain)
	return h.Sum(nil)[:nameWhole-namePlain]
}
