package wire

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"holdfast"
)

// Token lets one host enrol, once. It is written
// "hf1.<secret>.<fingerprint of the authority>", so that the agent knows the
// server as surely as the server knows the agent, from the first connection on.
type Token struct {
	Secret      string // 32 random bytes, base64url
	Fingerprint string // hex SHA-256 of the authority's certificate, DER
}

// NewToken makes a token with a new secret for the authority.
func NewToken(fingerprint string) (Token, error) {
	var b [32]byte
	if _, err := rand.Read(b[:]); err != nil {
		return Token{}, fmt.Errorf("random secret: %w", err)
	}
	return Token{base64.RawURLEncoding.EncodeToString(b[:]), fingerprint}, nil
}

// ParseToken reads a token.
func ParseToken(s string) (Token, error) {
	p := strings.Split(strings.TrimSpace(s), ".")
	if len(p) != 3 || p[0] != "hf1" {
		return Token{}, fmt.Errorf("an enrolment token reads hf1.<secret>.<fingerprint>; copy it whole, as holdfast gave it: %w", holdfast.ErrInvalid)
	}
	if b, err := base64.RawURLEncoding.DecodeString(p[1]); err != nil || len(b) != 32 {
		return Token{}, fmt.Errorf("the enrolment token's secret is cut or mistyped: %w", holdfast.ErrInvalid)
	}
	if b, err := hex.DecodeString(p[2]); err != nil || len(b) != sha256.Size {
		return Token{}, fmt.Errorf("the enrolment token's fingerprint is cut or mistyped: %w", holdfast.ErrInvalid)
	}
	return Token{p[1], strings.ToLower(p[2])}, nil
}

// String writes the token whole; it is a secret.
func (t Token) String() string { return "hf1." + t.Secret + "." + t.Fingerprint }

// Hash is what a server keeps of the token: the hex SHA-256 of its secret.
func (t Token) Hash() string { return HashSecret(t.Secret) }

// HashSecret is Token.Hash for a secret as it came in an Enrol.
func HashSecret(secret string) string {
	h := sha256.Sum256([]byte("holdfast enrolment v1\n" + secret))
	return hex.EncodeToString(h[:])
}

// Fingerprint is the hex SHA-256 of a certificate in DER.
func Fingerprint(der []byte) string {
	h := sha256.Sum256(der)
	return hex.EncodeToString(h[:])
}
