// Package disableaccount is the action that keeps one local account from
// logging in: its password is locked, the account expires, and, unless asked
// otherwise, its processes are ended. Accounts of directories are left to the
// directory; when and whom to disable, to package respond.
package disableaccount

import (
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"holdfast"
	"holdfast/respond/action"
)

const (
	name         = "disable-account"
	part         = "action/" + name
	defaultLease = 24 * time.Hour
	minLease     = time.Second
	maxLease     = 30 * 24 * time.Hour
)

// Action describes disable-account.
func Action() action.Action {
	return action.Action{
		Name:  name,
		Title: "Disable an account",
		Description: "Locks the password of a local account and lets the account expire, so that neither a password nor a key logs in, " +
			"and ends its processes. Undo brings back exactly the lock and the expiry that were before; ended processes stay ended.",
		References: []string{
			"MITRE D3FEND D3-AL (account locking)",
			"NIST SP 800-61r3, RS.MI-01",
			"shadow(5), usermod(8), chage(1)",
		},
		Takes: holdfast.EntityUser,
		Never: []string{
			"root, or any account with user id 0",
			"the account that Holdfast's agent runs as",
			"system accounts, which services run as (below UID_MIN of login.defs, and nobody)",
			"the last account that can log in, or the last that can become root",
			"accounts that are not in this host's own passwd and shadow files",
			"the password itself: it is neither read into the plan nor changed",
		},
		MaxReach:     10,
		DefaultLease: defaultLease,
		MaxLease:     maxLease,
		Params:       params,
		Plan:         plan,
		Apply:        apply,
		Verify:       verify,
		VerifyUndone: verifyUndone,
		Undo:         undo,
	}
}

// Params are what the action is asked for.
type Params struct {
	User         string            `json:"user"`
	KeepSessions bool              `json:"keep_sessions,omitempty"`
	Lease        holdfast.Duration `json:"lease,omitempty"` // 0 is the default lease
}

// before is what undo brings back. It holds no secret.
type before struct {
	User   string `json:"user"`
	UID    int    `json:"uid"`
	Locked bool   `json:"locked"` // the password was locked already
	Empty  bool   `json:"empty"`  // the account had no password at all
	Usable bool   `json:"usable"` // it had one that could be given
	Expire int    `json:"expire"` // day of expiry since 1970, -1 for never
}

// plain is a portable account name (useradd(8)).
var plain = regexp.MustCompile(`^[a-z_][a-z0-9_.-]{0,31}$`)

func params(e holdfast.Entity, lease time.Duration) (json.RawMessage, error) {
	if e.Kind != holdfast.EntityUser {
		return nil, fmt.Errorf("%s takes an account, not a %s: %w", name, e.Kind, holdfast.ErrInvalid)
	}
	if !plain.MatchString(e.Value) {
		return nil, fmt.Errorf("%.60q is not an account name: %w", e.Value, holdfast.ErrInvalid)
	}
	return json.Marshal(Params{User: e.Value, Lease: holdfast.Duration(lease)})
}

// readParams reads and bounds the parameters.
func readParams(b json.RawMessage) (Params, error) {
	var p Params
	if err := json.Unmarshal(b, &p); err != nil {
		return p, fmt.Errorf("%s parameters: %w: %w", name, err, holdfast.ErrInvalid)
	}
	if !plain.MatchString(p.User) {
		return p, fmt.Errorf("%.60q is not an account name: %w", p.User, holdfast.ErrInvalid)
	}
	if p.Lease == 0 {
		p.Lease = holdfast.Duration(defaultLease)
	}
	if l := p.Lease.Std(); l < minLease || l > maxLease {
		return p, fmt.Errorf("an account is disabled for %s to %s, not %s: %w", minLease, maxLease, l, holdfast.ErrRefused)
	}
	return p, nil
}
