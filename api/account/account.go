// Package account knows who somebody is: passwords (argon2id), sessions, API
// tokens and one-time login links. What somebody may do is left to package
// authz; secrets are never kept, only their SHA-256.
package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"holdfast"
	"holdfast/internal/clock"
)

// How long each kind of token lives by default.
const (
	SessionTTL = 12 * time.Hour
	LoginTTL   = 30 * time.Minute
	EnrolTTL   = time.Hour
	TokenTTL   = 90 * 24 * time.Hour
)

// ErrLogin says that a login failed, and not why.
var ErrLogin = errors.New("wrong name, password or token")

// ErrSlow says that there were too many failed logins.
var ErrSlow = errors.New("too many failed logins; wait a minute")

// Book keeps users and tokens.
type Book interface {
	User(ctx context.Context, name string) (holdfast.User, error)
	PutUser(ctx context.Context, u holdfast.User) error
	Token(ctx context.Context, hash string) (holdfast.Token, error)
	PutToken(ctx context.Context, t holdfast.Token) error
	// TakeToken removes a token and returns it, at most once for each hash.
	TakeToken(ctx context.Context, hash string) (holdfast.Token, error)
}

// Accounts checks who somebody is. It may be used from many goroutines.
type Accounts struct {
	book  Book
	clock clock.Clock

	mu    sync.Mutex
	fails map[string][]time.Time
	// decoy is what a password is compared with when there is no such user, so
	// that the answer takes as long.
	decoy string
	slots chan struct{} // bounds argon2's memory
}

// New makes Accounts over a book.
func New(book Book, c clock.Clock) (*Accounts, error) {
	decoy, err := Hash("there is no such user")
	if err != nil {
		return nil, err
	}
	return &Accounts{book: book, clock: c, fails: map[string][]time.Time{}, decoy: decoy, slots: make(chan struct{}, 2)}, nil
}

var name = regexp.MustCompile(`^[a-z0-9][a-z0-9._@-]{0,63}$`)

// CheckName says whether a user may be called so.
func CheckName(s string) error {
	if !name.MatchString(s) {
		return fmt.Errorf("%q is no user name: use 1 to 64 of a-z, 0-9, . _ @ - and start with a letter or digit: %w", s, holdfast.ErrInvalid)
	}
	return nil
}

// HashToken returns the SHA-256 of a secret, in hex.
func HashToken(secret string) string {
	h := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(h[:])
}

// Issue makes a new secret for a user and keeps its hash. The secret is
// returned once and cannot be had again.
func (a *Accounts) Issue(ctx context.Context, kind, user, label string, ttl time.Duration) (secret string, t holdfast.Token, err error) {
	return a.IssueWith(ctx, holdfast.Token{Kind: kind, User: user, Name: label}, ttl)
}

// IssueWith makes a new secret for a token of which kind, user, name and limits
// are given.
func (a *Accounts) IssueWith(ctx context.Context, like holdfast.Token, ttl time.Duration) (secret string, t holdfast.Token, err error) {
	var b [32]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", t, fmt.Errorf("token: %w", err)
	}
	secret = base64.RawURLEncoding.EncodeToString(b[:])
	now := a.clock.Now().UTC()
	t = holdfast.Token{
		Hash: HashToken(secret), ID: holdfast.NewID("tok"), Kind: like.Kind, User: like.User, Name: like.Name, Rate: like.Rate, Quota: like.Quota,
		Once: like.Kind == holdfast.TokenLogin || like.Kind == holdfast.TokenEnrol, Created: now, Expires: now.Add(ttl),
	}
	return secret, t, a.book.PutToken(ctx, t)
}

// Identify returns the user of a session or API token, or ErrLogin. Any other error
// says that it could not be looked up: the token may well be valid.
func (a *Accounts) Identify(ctx context.Context, secret string) (holdfast.User, holdfast.Token, error) {
	t, err := a.book.Token(ctx, HashToken(secret))
	if away(err) {
		return holdfast.User{}, t, fmt.Errorf("looking a token up: %w", err)
	}
	if err != nil || !a.clock.Now().Before(t.Expires) {
		return holdfast.User{}, t, ErrLogin
	}
	switch t.Kind {
	case holdfast.TokenInput:
		return holdfast.User{Name: t.Name}, t, nil
	case holdfast.TokenSession, holdfast.TokenAPI:
	default:
		return holdfast.User{}, t, ErrLogin
	}
	u, err := a.book.User(ctx, t.User)
	if away(err) {
		return holdfast.User{}, t, fmt.Errorf("looking a user up: %w", err)
	}
	if err != nil || u.Disabled {
		return holdfast.User{}, t, ErrLogin
	}
	return u, t, nil
}

// away reports whether an error of the book says nothing about what was looked up.
func away(err error) bool { return err != nil && !errors.Is(err, holdfast.ErrNotFound) }

// Link trades a one-time login token for a session.
func (a *Accounts) Link(ctx context.Context, secret string) (session string, u holdfast.User, err error) {
	if err := a.slow("link"); err != nil {
		return "", u, err
	}
	t, err := a.book.TakeToken(ctx, HashToken(secret))
	if away(err) {
		return "", u, fmt.Errorf("looking a token up: %w", err)
	}
	if err != nil || t.Kind != holdfast.TokenLogin || !a.clock.Now().Before(t.Expires) {
		a.failed("link")
		return "", u, ErrLogin
	}
	u, err = a.book.User(ctx, t.User)
	if away(err) {
		return "", u, fmt.Errorf("looking a user up: %w", err)
	}
	if err != nil || u.Disabled {
		return "", u, ErrLogin
	}
	return a.start(ctx, u, "link")
}

// Password trades a name and password for a session.
func (a *Accounts) Password(ctx context.Context, user, password string) (session string, u holdfast.User, err error) {
	if err := a.slow(user); err != nil {
		return "", u, err
	}
	u, err = a.book.User(ctx, user)
	if away(err) {
		return "", u, fmt.Errorf("looking a user up: %w", err)
	}
	phc := u.Password
	known := err == nil && !u.Disabled && phc != ""
	if !known {
		phc = a.decoy
	}
	select {
	case a.slots <- struct{}{}:
	case <-ctx.Done():
		return "", u, ctx.Err()
	}
	ok := matches(phc, password)
	<-a.slots
	if !ok || !known {
		a.failed(user)
		return "", u, ErrLogin
	}
	return a.start(ctx, u, "password")
}

func (a *Accounts) start(ctx context.Context, u holdfast.User, how string) (string, holdfast.User, error) {
	u.Seen = a.clock.Now().UTC()
	if err := a.book.PutUser(ctx, u); err != nil {
		return "", u, err
	}
	secret, _, err := a.Issue(ctx, holdfast.TokenSession, u.Name, how, SessionTTL)
	return secret, u, err
}

// ByLink reports whether a session was started with a one-time link: such a
// session may set a password without the old one.
func ByLink(t holdfast.Token) bool { return t.Kind == holdfast.TokenSession && t.Name == "link" }

// SetPassword replaces a password. The old one must be right unless there is
// none or free is set.
func (a *Accounts) SetPassword(ctx context.Context, user, old, next string, free bool) error {
	u, err := a.book.User(ctx, user)
	if err != nil {
		return err
	}
	if !free && u.Password != "" && !matches(u.Password, old) {
		a.failed(user)
		return fmt.Errorf("the old password is wrong: %w", holdfast.ErrForbidden)
	}
	if u.Password, err = Hash(next); err != nil {
		return err
	}
	return a.book.PutUser(ctx, u)
}

const (
	maxFails = 10
	window   = time.Minute
	maxNames = 10_000
)

func (a *Accounts) slow(who string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.recent(who)) >= maxFails {
		return ErrSlow
	}
	return nil
}

func (a *Accounts) failed(who string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.fails) >= maxNames {
		clear(a.fails)
	}
	a.fails[who] = append(a.recent(who), a.clock.Now())
}

func (a *Accounts) recent(who string) []time.Time {
	now := a.clock.Now()
	list := a.fails[who]
	for len(list) > 0 && now.Sub(list[0]) > window {
		list = list[1:]
	}
	return list
}
