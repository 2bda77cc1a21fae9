package api

import (
	"context"
	"net/http"

	"holdfast"
	"holdfast/api/account"
)

// Session is who is logged in and what they may do.
type Session struct {
	User            string          `json:"user"`
	Roles           []holdfast.Role `json:"roles"`
	MustSetPassword bool            `json:"must_set_password"`
	Can             map[string]bool `json:"can"`
	Version         string          `json:"version"`
}

type loggedIn struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      Session
}

func (a *API) session() {
	type link struct {
		Body struct {
			Token string `json:"token" maxLength:"200"`
		}
	}
	add(a, route{"POST", "/session/link", public, "Log in with a one-time link", ""}, func(ctx context.Context, in *link) (*loggedIn, error) {
		secret, u, err := a.Accounts.Link(ctx, in.Body.Token)
		return a.login(ctx, secret, u, "link", err)
	})
	type password struct {
		Body struct {
			User     string `json:"user" maxLength:"64"`
			Password string `json:"password" maxLength:"256"`
		}
	}
	add(a, route{"POST", "/session/password", public, "Log in with a password", ""}, func(ctx context.Context, in *password) (*loggedIn, error) {
		secret, u, err := a.Accounts.Password(ctx, in.Body.User, in.Body.Password)
		if u.Name == "" {
			u.Name = in.Body.User
		}
		return a.login(ctx, secret, u, "password", err)
	})
	add(a, route{"GET", "/session", "session.read", "Who is logged in", ""}, func(ctx context.Context, _ *struct{}) (*One[Session], error) {
		return &One[Session]{a.describe(callerOf(ctx).user)}, nil
	})
	type change struct {
		Body struct {
			Old string `json:"old,omitempty" maxLength:"256"`
			New string `json:"new" maxLength:"256"`
		}
	}
	add(a, route{"PUT", "/session/password", "session.password", "Set one's own password", ""}, func(ctx context.Context, in *change) (*struct{}, error) {
		c := callerOf(ctx)
		return nil, a.Accounts.SetPassword(ctx, c.user.Name, in.Body.Old, in.Body.New, account.ByLink(c.token))
	})
	type out struct {
		SetCookie http.Cookie `header:"Set-Cookie"`
	}
	add(a, route{"DELETE", "/session", "session.end", "Log out", ""}, func(ctx context.Context, _ *struct{}) (*out, error) {
		err := a.State.Tokens().Delete(ctx, callerOf(ctx).token.ID)
		return &out{http.Cookie{Name: Cookie, Path: "/", MaxAge: -1, HttpOnly: true, Secure: a.Secure, SameSite: http.SameSiteStrictMode}}, err
	})
}

func (a *API) login(ctx context.Context, secret string, u holdfast.User, how string, err error) (*loggedIn, error) {
	outcome := "done"
	if err != nil {
		outcome = "refused: " + err.Error()
	}
	a.record(ctx, holdfast.Evidence{
		Key: holdfast.NewID("req"), At: a.Clock.Now().UTC(), Who: "user:" + u.Name, Did: "session." + how, On: callerOf(ctx).remote, Outcome: outcome,
	})
	if err != nil {
		return nil, err
	}
	return &loggedIn{
		SetCookie: http.Cookie{
			Name: Cookie, Value: secret, Path: "/", MaxAge: int(account.SessionTTL.Seconds()), HttpOnly: true, Secure: a.Secure,
			SameSite: http.SameSiteStrictMode,
		},
		Body: a.describe(u),
	}, nil
}

func (a *API) describe(u holdfast.User) Session {
	return Session{User: u.Name, Roles: u.Roles, MustSetPassword: u.Password == "", Can: a.can(u), Version: a.Version}
}
