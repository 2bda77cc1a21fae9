package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"holdfast"
	"holdfast/api/account"
	"holdfast/api/authz"
	"holdfast/internal/clock"
	"holdfast/store/state"
)

type tokenBook struct{ *state.DB }

func (b tokenBook) User(ctx context.Context, name string) (holdfast.User, error) {
	return b.Users().Get(ctx, name)
}

func (b tokenBook) PutUser(ctx context.Context, u holdfast.User) error { return b.Users().Put(ctx, u) }

func (b tokenBook) Token(ctx context.Context, hash string) (holdfast.Token, error) {
	return b.TokenByHash(ctx, hash)
}

func (b tokenBook) PutToken(ctx context.Context, t holdfast.Token) error {
	return b.Tokens().Put(ctx, t)
}

// guarded is an API over a real state, with nothing behind its routes: a
// request that gets past the guard is not made by these tests.
func guarded(t *testing.T) (*API, map[string]string) {
	t.Helper()
	ctx := context.Background()
	c := clock.System{}
	db, err := state.Open(ctx, filepath.Join(t.TempDir(), "state.db"), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	acc, err := account.New(tokenBook{db}, c)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := authz.New()
	if err != nil {
		t.Fatal(err)
	}
	tokens := map[string]string{}
	for _, role := range append(holdfast.Roles(), "nobody") {
		u := holdfast.User{Name: string(role), Roles: []holdfast.Role{role}}
		if err := db.Users().Put(ctx, u); err != nil {
			t.Fatal(err)
		}
		if tokens[string(role)], _, err = acc.Issue(ctx, holdfast.TokenAPI, u.Name, "test", time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if tokens["input"], _, err = acc.Issue(ctx, holdfast.TokenInput, "engineer", "shipper", time.Hour); err != nil {
		t.Fatal(err)
	}
	return New(Options{State: db, Accounts: acc, Policy: policy, Clock: c, Log: slog.New(slog.DiscardHandler), Version: "test"}), tokens
}

// TestEveryRoute walks all routes: without a login each answers 401, and for
// everybody whom the policy does not permit its effect, 403.
func TestEveryRoute(t *testing.T) {
	a, tokens := guarded(t)
	ask := func(op *huma.Operation, token string) int {
		path := strings.NewReplacer("{id}", "x", "{table}", "x", "{task}", "x", "{kind}", "actions").Replace(op.Path)
		r := httptest.NewRequest(op.Method, path, strings.NewReader("{}"))
		r.Header.Set("Content-Type", "application/json")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		return w.Code
	}
	seen, used := 0, map[string]bool{}
	for _, item := range a.huma.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op == nil {
				continue
			}
			effect, _ := op.Metadata["effect"].(string)
			if seen++; effect == public {
				if !strings.HasPrefix(op.Path, Prefix+"/session/") {
					t.Errorf("%s %s is open to everybody", op.Method, op.Path)
				}
				continue
			}
			used[effect] = true
			if code := ask(op, ""); code != http.StatusUnauthorized {
				t.Errorf("%s %s without a login: %d", op.Method, op.Path, code)
			}
			if code := ask(op, "wrong"); code != http.StatusUnauthorized {
				t.Errorf("%s %s with a wrong token: %d", op.Method, op.Path, code)
			}
			for who, token := range tokens {
				p := authz.Principal{Name: who, Roles: []holdfast.Role{holdfast.Role(who)}, Input: who == "input"}
				if a.Policy.Allow(p, effect, authz.Subject{}) == nil {
					continue
				}
				if code := ask(op, token); code != http.StatusForbidden {
					t.Errorf("%s %s (%s) for %s: %d", op.Method, op.Path, effect, who, code)
				}
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d routes were walked", seen)
	}
	for _, e := range authz.Effects() {
		if !used[e] && e != "event.send" {
			t.Errorf("no route has the effect %s", e)
		}
	}
}

// TestCookieNeedsTheHeader holds that another site's form cannot change
// anything with a person's cookie.
func TestCookieNeedsTheHeader(t *testing.T) {
	a, tokens := guarded(t)
	r := httptest.NewRequest(http.MethodPost, Prefix+"/tokens", strings.NewReader(`{"name":"x"}`))
	r.AddCookie(&http.Cookie{Name: Cookie, Value: tokens["engineer"]})
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "X-Holdfast") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestRefusalsAreOnRecord holds that what somebody was refused is evidence.
func TestRefusalsAreOnRecord(t *testing.T) {
	a, tokens := guarded(t)
	r := httptest.NewRequest(http.MethodPost, Prefix+"/actions/act-1/approve", strings.NewReader("{}"))
	r.Header.Set("Authorization", "Bearer "+tokens["auditor"])
	a.ServeHTTP(httptest.NewRecorder(), r)
	out, _, err := a.State.Outbox(context.Background(), 10)
	if err != nil || len(out) != 1 || out[0].Who != "user:auditor" || out[0].Did != "action.approve" || !strings.HasPrefix(out[0].Outcome, "refused") {
		t.Errorf("%+v %v", out, err)
	}
}
