package account

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"

	"holdfast"
)

// Parameters of argon2id, after RFC 9106, section 4, second recommendation
// (64 MiB, 3 passes), with 2 lanes.
const (
	memory  = 64 * 1024 // KiB
	passes  = 3
	lanes   = 2
	saltLen = 16
	keyLen  = 32
)

// MinPassword and MaxPassword bound a password's length in bytes.
const (
	MinPassword = 12
	MaxPassword = 256
)

// Hash hashes a password into a PHC string.
func Hash(password string) (string, error) {
	if len(password) < MinPassword || len(password) > MaxPassword {
		return "", fmt.Errorf("a password has %d to %d bytes, this has %d: %w", MinPassword, MaxPassword, len(password), holdfast.ErrInvalid)
	}
	salt := make([]byte, saltLen)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("password salt: %w", err)
	}
	key := argon2.IDKey([]byte(password), salt, passes, memory, lanes, keyLen)
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, passes, lanes, enc.EncodeToString(salt), enc.EncodeToString(key)), nil
}

// matches compares in constant time. A damaged or foreign string matches
// nothing, nor do parameters that would cost more than ours.
func matches(phc, password string) bool {
	var version int
	var m, t uint32
	var p uint8
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || len(password) > MaxPassword {
		return false
	}
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return false
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &m, &t, &p); err != nil || m > memory || t > passes || t == 0 || p == 0 {
		return false
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(want) != keyLen {
		return false
	}
	got := argon2.IDKey([]byte(password), salt, t, m, p, keyLen)
	return subtle.ConstantTimeCompare(got, want) == 1
}
