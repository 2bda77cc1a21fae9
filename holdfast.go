// Package holdfast holds the nouns of the loop as plain data: requirement,
// control, check, event, alert, incident, action, evidence.
//
// One file, one noun. The package imports nothing but the standard library and
// does no I/O; stages, stores and transports import it and never one another.
package holdfast

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

var idAlphabet = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID returns a new random id with a prefix that names the noun, such as
// "act-7k2m9qfx3r1t". The random part has 60 bits.
func NewID(prefix string) string {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(fmt.Sprintf("holdfast: the system's random source failed: %v", err))
	}
	return prefix + "-" + idAlphabet.EncodeToString(b[:])[:12]
}

// StableID derives an id from its parts: the same parts give the same id on
// every machine and after every restart, which is how work done twice is
// recorded once.
func StableID(prefix string, parts ...string) string {
	h := sha256.New()
	var n [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return prefix + "-" + idAlphabet.EncodeToString(h.Sum(nil)[:10])
}

// Duration is a time.Duration that reads and writes as "90s" or "1h" in JSON
// and YAML.
type Duration time.Duration

// Std returns d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes the duration in Go's notation.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// mostDays is how many days a time.Duration holds.
const mostDays = 106_751

// UnmarshalText reads Go's notation, and "d" for days of 24 hours.
func (d *Duration) UnmarshalText(b []byte) error {
	s := string(b)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int
		if _, err := fmt.Sscanf(days, "%d", &n); err == nil && fmt.Sprint(n) == days && n <= mostDays && n >= -mostDays {
			*d = Duration(time.Duration(n) * 24 * time.Hour)
			return nil
		}
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%q is not a duration: write 90s, 15m, 48h or 7d", s)
	}
	*d = Duration(v)
	return nil
}

// Raw is JSON kept as it came.
type Raw = json.RawMessage

// Level grades alerts and rules, with Sigma's words.
type Level string

// The levels of the Sigma specification 2.1, section "level".
const (
	Informational Level = "informational"
	Low           Level = "low"
	Medium        Level = "medium"
	High          Level = "high"
	Critical      Level = "critical"
)

// Rank orders levels: 1 for informational to 5 for critical, 0 for a word that
// is none of them.
func (l Level) Rank() int {
	switch l {
	case Informational:
		return 1
	case Low:
		return 2
	case Medium:
		return 3
	case High:
		return 4
	case Critical:
		return 5
	}
	return 0
}
