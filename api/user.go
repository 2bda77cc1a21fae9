package api

import (
	"context"
	"fmt"
	"time"

	"holdfast"
	"holdfast/api/account"
)

func (a *API) user() {
	add(a, route{"GET", "/users", "user.read", "List users", ""}, func(ctx context.Context, in *Page) (*List[holdfast.User], error) {
		items, total, err := a.State.Users().List(ctx, in.filter())
		return listed(items, total), err
	})
	type create struct {
		Body struct {
			Name  string          `json:"name" maxLength:"64"`
			Roles []holdfast.Role `json:"roles" minItems:"1"`
		}
	}
	type created struct {
		User holdfast.User `json:"user"`
		Link string        `json:"link"` // one-time login link
	}
	add(a, route{"POST", "/users", "user.create", "Create a user; answers with a one-time login link", ""}, func(ctx context.Context, in *create) (*One[created], error) {
		if err := account.CheckName(in.Body.Name); err != nil {
			return nil, err
		}
		if err := checkRoles(in.Body.Roles); err != nil {
			return nil, err
		}
		if _, err := a.State.Users().Get(ctx, in.Body.Name); err == nil {
			return nil, fmt.Errorf("there is a user %q already: %w", in.Body.Name, holdfast.ErrConflict)
		}
		u := holdfast.User{Name: in.Body.Name, Roles: in.Body.Roles, Created: a.Clock.Now().UTC()}
		if err := a.State.Users().Put(ctx, u); err != nil {
			return nil, err
		}
		secret, _, err := a.Accounts.Issue(ctx, holdfast.TokenLogin, u.Name, "", account.LoginTTL)
		return &One[created]{created{u, a.Origin + "/login#token=" + secret}}, err
	})
	type change struct {
		ByID
		Body struct {
			Roles    []holdfast.Role `json:"roles,omitempty"`
			Disabled *bool           `json:"disabled,omitempty"`
		}
	}
	add(a, route{"PATCH", "/users/{id}", "user.change", "Change a user's roles, or disable", "user"}, func(ctx context.Context, in *change) (*One[holdfast.User], error) {
		u, err := a.State.Users().Get(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		if err := checkRoles(in.Body.Roles); err != nil {
			return nil, err
		}
		if len(in.Body.Roles) > 0 {
			u.Roles = in.Body.Roles
		}
		if in.Body.Disabled != nil {
			if *in.Body.Disabled && in.ID == who(ctx) {
				return nil, fmt.Errorf("nobody can disable themselves: %w", holdfast.ErrRefused)
			}
			u.Disabled = *in.Body.Disabled
		}
		return one(u, a.State.Users().Put(ctx, u))
	})
	a.token()
}

func checkRoles(roles []holdfast.Role) error {
	for _, r := range roles {
		known := false
		for _, k := range holdfast.Roles() {
			known = known || r == k
		}
		if !known {
			return fmt.Errorf("there is no role %q; the roles are architect, engineer, analyst and auditor: %w", r, holdfast.ErrInvalid)
		}
	}
	return nil
}

func (a *API) token() {
	add(a, route{"GET", "/tokens", "token.read", "One's own tokens", ""}, func(ctx context.Context, in *Page) (*List[holdfast.Token], error) {
		f := in.filter()
		f.Where["user"] = who(ctx)
		items, total, err := a.State.Tokens().List(ctx, f)
		return listed(items, total), err
	})
	type create struct {
		Body struct {
			Name string            `json:"name" minLength:"1" maxLength:"100"`
			TTL  holdfast.Duration `json:"ttl,omitempty"`
		}
	}
	type created struct {
		Token  holdfast.Token `json:"token"`
		Secret string         `json:"secret"` // shown once
	}
	type createInput struct {
		Body struct {
			Name  string            `json:"name" minLength:"1" maxLength:"100"`
			TTL   holdfast.Duration `json:"ttl,omitempty"`
			Rate  float64           `json:"rate,omitempty" minimum:"0" doc:"records a second; 0 is no limit"`
			Quota int64             `json:"quota,omitempty" minimum:"0" doc:"bytes a day, unpacked; 0 is no limit"`
		}
	}
	issue := func(ctx context.Context, like holdfast.Token, ttl time.Duration) (*One[created], error) {
		if ttl <= 0 || ttl > 4*account.TokenTTL {
			ttl = account.TokenTTL
		}
		like.User = who(ctx)
		secret, t, err := a.Accounts.IssueWith(ctx, like, ttl)
		return &One[created]{created{t, secret}}, err
	}
	add(a, route{"POST", "/tokens", "token.create", "A new API token with one's own rights", ""}, func(ctx context.Context, in *create) (*One[created], error) {
		return issue(ctx, holdfast.Token{Kind: holdfast.TokenAPI, Name: in.Body.Name}, in.Body.TTL.Std())
	})
	add(a, route{"POST", "/inputs/tokens", "input.token", "A token that may only send events", ""}, func(ctx context.Context, in *createInput) (*One[created], error) {
		return issue(ctx, holdfast.Token{Kind: holdfast.TokenInput, Name: in.Body.Name, Rate: in.Body.Rate, Quota: in.Body.Quota}, in.Body.TTL.Std())
	})
	add(a, route{"DELETE", "/tokens/{id}", "token.delete", "Revoke one of one's own tokens", "token"}, func(ctx context.Context, in *ByID) (*struct{}, error) {
		t, err := a.State.Tokens().Get(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		if t.User != who(ctx) {
			return nil, notFound("token", in.ID)
		}
		return nil, a.State.Tokens().Delete(ctx, in.ID)
	})
}
