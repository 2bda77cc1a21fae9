package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"holdfast"
	"holdfast/api/account"
	"holdfast/api/authz"
	"holdfast/internal/intake"
)

// public is the effect of the routes that anybody may call: logging in.
const public = "public"

// Cookie is the name of the session cookie.
const Cookie = "holdfast_session"

type principalKey struct{}

// caller is who a request comes from.
type caller struct {
	user    holdfast.User
	token   holdfast.Token
	subject string // path id
	remote  string
}

func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(principalKey{}).(caller)
	return c
}

// who names the caller in evidence and on actions.
func who(ctx context.Context) string { return callerOf(ctx).user.Name }

// guard is the choke point: it finds out who asks and lets the policy decide.
func (a *API) guard(r route) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		if r.effect == public {
			ctx := caller{remote: c.RemoteAddr()}
			next(huma.WithValue(c, principalKey{}, ctx))
			return
		}
		secret, cookie := credentials(c)
		if secret == "" {
			a.refuse(c, http.StatusUnauthorized, "log in first")
			return
		}
		if cookie && c.Method() != http.MethodGet && c.Header("X-Holdfast") == "" {
			a.refuse(c, http.StatusForbidden, "a request that changes something needs the header X-Holdfast: 1")
			return
		}
		user, token, err := a.Accounts.Identify(c.Context(), secret)
		switch {
		case errors.Is(err, account.ErrLogin):
			a.refuse(c, http.StatusUnauthorized, "the session or token is not valid any more; log in again")
			return
		case err != nil:
			if c.Context().Err() == nil { // else nobody waits for the answer
				a.Log.Warn("whose request it is cannot be looked up", "error", err)
			}
			a.refuse(c, http.StatusServiceUnavailable, "who asks cannot be looked up just now; try again")
			return
		}
		who := authz.Principal{Name: user.Name, Roles: user.Roles, Input: token.Kind == holdfast.TokenInput}
		by := caller{user: user, token: token, subject: c.Param("id"), remote: c.RemoteAddr()}
		if err := a.Policy.Allow(who, r.effect, authz.Subject{Noun: r.noun, ID: by.subject}); err != nil {
			a.account(context.WithValue(c.Context(), principalKey{}, by), r, err)
			a.refuse(c, http.StatusForbidden, err.Error())
			return
		}
		next(huma.WithValue(c, principalKey{}, by))
	}
}

func credentials(c huma.Context) (secret string, cookie bool) {
	if s, ok := strings.CutPrefix(c.Header("Authorization"), "Bearer "); ok {
		return strings.TrimSpace(s), false
	}
	if ck, err := huma.ReadCookie(c, Cookie); err == nil {
		return ck.Value, true
	}
	return "", false
}

func (a *API) refuse(c huma.Context, status int, detail string) {
	if err := huma.WriteErr(a.huma, c, status, detail); err != nil {
		a.Log.Warn("answering a refused request", "error", err)
	}
}

// account puts what somebody did, or was refused, into the evidence log.
// Reads are not recorded, but for searches over events.
func (a *API) account(ctx context.Context, r route, err error) {
	by := callerOf(ctx)
	reading := strings.HasSuffix(r.effect, ".read")
	if r.effect == public || reading && err == nil || reading && !errors.Is(err, holdfast.ErrForbidden) {
		return
	}
	outcome := "done"
	if err != nil {
		outcome = "refused: " + err.Error()
	}
	detail, merr := json.Marshal(map[string]string{"route": r.method + " " + r.path, "from": by.remote, "with": by.token.Kind})
	if merr != nil {
		detail = nil
	}
	a.record(ctx, holdfast.Evidence{
		Key: holdfast.NewID("req"), At: a.Clock.Now().UTC(), Who: "user:" + by.user.Name, Did: r.effect, On: by.subject, Outcome: outcome, Detail: detail,
	})
}

func (a *API) record(ctx context.Context, e holdfast.Evidence) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := a.State.Record(ctx, e); err != nil {
		a.Log.Error("evidence was not recorded", "did", e.Did, "error", err)
	}
}

func operationID(r route) string {
	id := strings.ToLower(r.method)
	for _, part := range strings.FieldsFunc(r.path, func(c rune) bool { return c == '/' || c == '{' || c == '}' }) {
		id += "-" + part
	}
	return id
}

func tag(path string) string {
	noun, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return noun
}

// can tells for every effect whether the user may.
func (a *API) can(u holdfast.User) map[string]bool {
	out := map[string]bool{}
	for _, e := range authz.Effects() {
		out[e] = a.Policy.Allow(authz.Principal{Name: u.Name, Roles: u.Roles}, e, authz.Subject{}) == nil
	}
	return out
}

// Authorise identifies the token of a sender of events, for the ways in.
func Authorise(acc *account.Accounts, policy *authz.Policy, log *slog.Logger) func(ctx context.Context, secret string) (intake.Sender, error) {
	return func(ctx context.Context, secret string) (intake.Sender, error) {
		if secret == "" {
			return intake.Sender{}, account.ErrLogin
		}
		user, token, err := acc.Identify(ctx, secret)
		if err != nil && !errors.Is(err, account.ErrLogin) {
			log.Warn("who sends", "error", err)
			return intake.Sender{}, intake.ErrAway
		}
		if err != nil {
			return intake.Sender{}, err
		}
		p := authz.Principal{Name: user.Name, Roles: user.Roles, Input: token.Kind == holdfast.TokenInput}
		s := intake.Sender{Name: user.Name, ID: token.ID, Rate: token.Rate, Quota: token.Quota}
		return s, policy.Allow(p, "event.send", authz.Subject{})
	}
}
