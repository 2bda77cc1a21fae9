package holdfast

import "time"

// Role says which rights a user has; the policies are in package api/authz.
type Role string

// The four roles.
const (
	Architect Role = "architect" // requirements, exceptions, users; approves overrides
	Engineer  Role = "engineer"  // plans, approves and applies changes and actions
	Analyst   Role = "analyst"   // investigates, proposes, works incidents
	Auditor   Role = "auditor"   // reads everything, changes nothing
)

// Roles lists the four.
func Roles() []Role { return []Role{Architect, Engineer, Analyst, Auditor} }

// User is a person, or a program with a person's rights.
type User struct {
	Name     string    `json:"name"`
	Roles    []Role    `json:"roles"`
	Password string    `json:"-"` // argon2id, PHC string; empty until set
	Created  time.Time `json:"created"`
	Seen     time.Time `json:"seen,omitzero"`
	Disabled bool      `json:"disabled,omitempty"`
}

// Token is a secret that stands for a user: a session, an API token, a
// one-time login link or an agent's enrolment. Only its SHA-256 is kept.
type Token struct {
	Hash    string    `json:"-"`
	ID      string    `json:"id"`
	Kind    string    `json:"kind"` // TokenSession, …
	User    string    `json:"user,omitempty"`
	Name    string    `json:"name,omitempty"`
	Once    bool      `json:"once,omitempty"` // gone after its first use
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	Seen    time.Time `json:"seen,omitzero"`
	// Rate and Quota bound what an input token may send.
	Rate  float64 `json:"rate,omitempty"`  // records a second; 0 is no limit
	Quota int64   `json:"quota,omitempty"` // bytes a day, unpacked; 0 is no limit
}

// The kinds of token.
const (
	TokenSession = "session"
	TokenAPI     = "api"
	TokenLogin   = "login"
	TokenEnrol   = "enrol"
	TokenInput   = "input" // may only send events
)
