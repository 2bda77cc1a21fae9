package account

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast"
	"holdfast/internal/clock"
)

type book struct {
	mu     sync.Mutex
	users  map[string]holdfast.User
	tokens map[string]holdfast.Token
	away   error

	usersAway error // only of users
}

func (b *book) User(_ context.Context, n string) (holdfast.User, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	u, ok := b.users[n]
	if err := errors.Join(b.away, b.usersAway); err != nil {
		return u, err
	}
	if !ok {
		return u, holdfast.ErrNotFound
	}
	return u, nil
}

func (b *book) PutUser(_ context.Context, u holdfast.User) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.users[u.Name] = u
	return nil
}

func (b *book) Token(_ context.Context, h string) (holdfast.Token, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t, ok := b.tokens[h]
	if b.away != nil {
		return t, b.away
	}
	if !ok {
		return t, holdfast.ErrNotFound
	}
	return t, nil
}

func (b *book) PutToken(_ context.Context, t holdfast.Token) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens[t.Hash] = t
	return nil
}

func (b *book) TakeToken(ctx context.Context, h string) (holdfast.Token, error) {
	t, err := b.Token(ctx, h)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.tokens, h)
	return t, err
}

func accounts(t *testing.T) (*Accounts, *book, *clock.Fixed) {
	t.Helper()
	b := &book{users: map[string]holdfast.User{"alice": {Name: "alice", Roles: []holdfast.Role{holdfast.Engineer}}}, tokens: map[string]holdfast.Token{}}
	c := clock.NewFixed(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	a, err := New(b, c)
	if err != nil {
		t.Fatal(err)
	}
	return a, b, c
}

// TestBookAway: while tokens and users cannot be looked up, none is called wrong.
func TestBookAway(t *testing.T) {
	a, b, _ := accounts(t)
	ctx := t.Context()
	if _, _, err := a.Identify(ctx, "nobody's"); !errors.Is(err, ErrLogin) {
		t.Errorf("a token that nobody has: %v", err)
	}
	link, _, err := a.Issue(ctx, holdfast.TokenLogin, "alice", "", LoginTTL)
	if err != nil {
		t.Fatal(err)
	}
	b.usersAway = errors.New("disk I/O error")
	if _, _, err := a.Link(ctx, link); !errors.Is(err, b.usersAway) || errors.Is(err, ErrLogin) {
		t.Errorf("a link whose user cannot be looked up: %v", err)
	}
	b.away = errors.New("disk I/O error")
	if _, _, err := a.Identify(ctx, "x"); !errors.Is(err, b.away) || errors.Is(err, ErrLogin) {
		t.Errorf("a token that cannot be looked up: %v", err)
	}
	if _, _, err := a.Link(ctx, "x"); !errors.Is(err, b.away) || errors.Is(err, ErrLogin) {
		t.Errorf("a link that cannot be looked up: %v", err)
	}
	if _, _, err := a.Password(ctx, "alice", "x"); !errors.Is(err, b.away) || errors.Is(err, ErrLogin) {
		t.Errorf("a user that cannot be looked up: %v", err)
	}
}

func TestLinkOnceThenPassword(t *testing.T) {
	a, b, c := accounts(t)
	ctx := context.Background()
	link, _, err := a.Issue(ctx, holdfast.TokenLogin, "alice", "", LoginTTL)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Identify(ctx, link); !errors.Is(err, ErrLogin) {
		t.Fatalf("a login link is no session: %v", err)
	}
	session, _, err := a.Link(ctx, link)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Link(ctx, link); !errors.Is(err, ErrLogin) {
		t.Fatalf("a link worked twice: %v", err)
	}
	u, tok, err := a.Identify(ctx, session)
	if err != nil || u.Name != "alice" || !ByLink(tok) {
		t.Fatalf("%v %v %v", u, tok, err)
	}
	if err := a.SetPassword(ctx, "alice", "", "short", true); !errors.Is(err, holdfast.ErrInvalid) {
		t.Fatalf("a short password: %v", err)
	}
	if err := a.SetPassword(ctx, "alice", "", "correct horse battery", true); err != nil {
		t.Fatal(err)
	}
	if err := a.SetPassword(ctx, "alice", "wrong", "correct horse battery 2", false); !errors.Is(err, holdfast.ErrForbidden) {
		t.Fatalf("the old password was wrong: %v", err)
	}
	if strings.Contains(b.users["alice"].Password, "horse") {
		t.Fatal("the password is kept as it is")
	}
	if _, _, err := a.Password(ctx, "alice", "correct horse battery"); err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"alice", "nobody"} {
		if _, _, err := a.Password(ctx, who, "correct horse"); !errors.Is(err, ErrLogin) {
			t.Fatalf("%s: %v", who, err)
		}
	}
	c.Advance(SessionTTL)
	if _, _, err := a.Identify(ctx, session); !errors.Is(err, ErrLogin) {
		t.Fatalf("an old session: %v", err)
	}
}

func TestGuessingIsSlowed(t *testing.T) {
	a, b, c := accounts(t)
	ctx := context.Background()
	b.users["alice"] = holdfast.User{Name: "alice", Password: "$argon2id$broken"}
	for range maxFails {
		if _, _, err := a.Password(ctx, "alice", "x"); !errors.Is(err, ErrLogin) {
			t.Fatal(err)
		}
	}
	if _, _, err := a.Password(ctx, "alice", "x"); !errors.Is(err, ErrSlow) {
		t.Fatalf("attempt %d: %v", maxFails+1, err)
	}
	c.Advance(2 * window)
	if _, _, err := a.Password(ctx, "alice", "x"); !errors.Is(err, ErrLogin) {
		t.Fatal(err)
	}
}

func TestDisabledUserIsOut(t *testing.T) {
	a, b, _ := accounts(t)
	ctx := context.Background()
	api, _, err := a.Issue(ctx, holdfast.TokenAPI, "alice", "ci", TokenTTL)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Identify(ctx, api); err != nil {
		t.Fatal(err)
	}
	b.users["alice"] = holdfast.User{Name: "alice", Disabled: true}
	if _, _, err := a.Identify(ctx, api); !errors.Is(err, ErrLogin) {
		t.Fatalf("a disabled user's token works: %v", err)
	}
}

func TestNames(t *testing.T) {
	for _, good := range []string{"alice", "a.b-c_d@example.org"} {
		if err := CheckName(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "Alice", "-a", "a b", "a/b", strings.Repeat("a", 65)} {
		if err := CheckName(bad); err == nil {
			t.Errorf("%q is taken for a name", bad)
		}
	}
}
