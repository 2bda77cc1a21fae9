// Package authz is the one choke point for rights: every route and command
// asks it, and what no Cedar policy permits is refused. Who somebody is, and
// how that was proven, is left to package api.
package authz

import (
	_ "embed"
	"fmt"
	"sort"

	"github.com/cedar-policy/cedar-go"

	"holdfast"
)

//go:embed policies.cedar
var policies []byte

// The groups of effects.
const (
	read        = "read"
	own         = "own"
	investigate = "investigate"
	operate     = "operate"
	govern      = "govern"
	send        = "send"
)

// effects lists every effect there is and its group. A route whose effect does
// not stand here cannot be registered.
var effects = map[string]string{
	"loop.read": read, "status.read": read, "asset.read": read, "check.read": read, "finding.read": read,
	"requirement.read": read, "alert.read": read, "incident.read": read, "action.read": read, "rule.read": read,
	"event.query": read, "input.read": read, "drill.read": read, "evidence.read": read, "catalogue.read": read,
	"user.read": read, "stream.read": read, "exception.read": read,
	"store.read": read, "store.verify": read, "hold.read": read,
	"search.read": read, "hunt.read": read,

	"session.read": own, "session.end": own, "session.password": own, "token.read": own, "token.create": own, "token.delete": own,

	"incident.event": investigate, "incident.open": investigate,
	"asset.assess": investigate, "alert.close": investigate, "incident.note": investigate, "incident.task": investigate,
	"incident.assign": investigate, "incident.close": investigate, "incident.reopen": investigate, "incident.override": investigate,
	"action.propose": investigate, "action.verify": investigate, "drill.run": investigate, "requirement.plan": investigate,
	"requirement.verify": investigate, "rule.replay": investigate, "hold.add": investigate,
	"search.save": investigate, "search.delete": investigate, "hunt.run": investigate, "hunt.cancel": investigate, "hunt.delete": investigate,

	"action.approve": operate, "action.reject": operate, "action.undo": operate, "action.accept": operate,
	"exception.add": operate, "exception.remove": operate, "health.mute": operate, "health.unmute": operate,
	"asset.enrol": operate, "asset.tag": operate, "input.token": operate,
	"search.schedule":    operate, // its alerts may lead to actions that are approved beforehand
	"deadletter.reparse": operate, "retention.run": operate,

	"retention.set": govern, "hold.release": govern,
	"incident.grant": govern, "user.create": govern, "user.change": govern,

	"event.send": send,
}

// Principal is who asks.
type Principal struct {
	Name  string
	Roles []holdfast.Role
	Input bool // a token that may only send events
}

// Subject is what an effect is for; AskedBy is set where a second person must
// decide.
type Subject struct {
	Noun, ID string
	AskedBy  string
}

// Policy decides.
type Policy struct {
	set *cedar.PolicySet
}

// New reads the policies that Holdfast ships.
func New() (*Policy, error) {
	set, err := cedar.NewPolicySetFromBytes("policies.cedar", policies)
	if err != nil {
		return nil, fmt.Errorf("authz: %w", err)
	}
	return &Policy{set}, nil
}

// Effects lists every effect, sorted.
func Effects() []string {
	out := make([]string, 0, len(effects))
	for e := range effects {
		out = append(out, e)
	}
	sort.Strings(out)
	return out
}

// Known reports whether there is such an effect.
func Known(effect string) bool { return effects[effect] != "" }

// Allow returns nil, or an error that wraps ErrForbidden and says which right
// is missing.
func (p *Policy) Allow(who Principal, effect string, on Subject) error {
	group, ok := effects[effect]
	if !ok {
		return fmt.Errorf("there is no effect %q: %w", effect, holdfast.ErrForbidden)
	}
	principal := cedar.NewEntityUID("User", cedar.String(who.Name))
	if who.Input {
		principal = cedar.NewEntityUID("Input", cedar.String(who.Name))
	}
	roles := make([]cedar.EntityUID, len(who.Roles))
	for i, r := range who.Roles {
		roles[i] = cedar.NewEntityUID("Role", cedar.String(r))
	}
	action := cedar.NewEntityUID("Effect", cedar.String(effect))
	resource := cedar.NewEntityUID("Noun", cedar.String(on.Noun+"/"+on.ID))
	attributes := cedar.RecordMap{}
	if on.AskedBy != "" {
		attributes["asked_by"] = cedar.NewEntityUID("User", cedar.String(on.AskedBy))
	}
	entities := cedar.EntityMap{
		principal: {UID: principal, Parents: cedar.NewEntityUIDSet(roles...)},
		action:    {UID: action, Parents: cedar.NewEntityUIDSet(cedar.NewEntityUID("Effect", cedar.String(group)))},
		resource:  {UID: resource, Attributes: cedar.NewRecord(attributes)},
	}
	decision, why := cedar.Authorize(p.set, entities, cedar.Request{
		Principal: principal, Action: action, Resource: resource, Context: cedar.NewRecord(nil),
	})
	if len(why.Errors) > 0 {
		return fmt.Errorf("authz: policy %s: %s: %w", why.Errors[0].PolicyID, why.Errors[0].Message, holdfast.ErrForbidden)
	}
	if decision == cedar.Allow {
		return nil
	}
	if on.AskedBy != "" && on.AskedBy == who.Name {
		return fmt.Errorf("%s needs a second person: %s asked for it: %w", effect, who.Name, holdfast.ErrForbidden)
	}
	return fmt.Errorf("%s is for %s, %s is %v: %w", effect, needs(group), who.Name, who.Roles, holdfast.ErrForbidden)
}

func needs(group string) string {
	switch group {
	case investigate:
		return "analysts and engineers"
	case operate:
		return "engineers"
	case govern:
		return "architects"
	case send:
		return "input tokens"
	}
	return "users with a role"
}
