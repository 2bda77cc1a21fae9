package respond

import (
	"fmt"
	"strconv"

	"holdfast"
)

// The actions that are proposed by themselves.
const (
	blockAddress   = "action/block-address"
	disableAccount = "action/disable-account"
)

// Calls reports whether an alert of an incident may call for actions at all.
func Calls(in holdfast.Incident, alert holdfast.Alert) bool {
	return alert.Drill == "" && in.Drill == "" && alert.Asset != "" && alert.Level.Rank() >= holdfast.High.Rank() && in.Status != holdfast.IncidentClosed
}

// Suggest proposes, inside the caller's transaction, what an alert of an
// incident calls for: to block the addresses it came from, and to disable
// accounts that logged in after failures. Each is proposed once; a block again
// only when the last one is undone and the alert has gone on since. Drills and
// alerts below high call for nothing.
func (r *Runner) Suggest(tx Tx, in holdfast.Incident, alert holdfast.Alert) ([]holdfast.Action, error) {
	if !Calls(in, alert) {
		return nil, nil
	}
	var out []holdfast.Action
	suggest := func(part string, e holdfast.Entity, why string) error {
		known, ok := r.Parts[part]
		if !ok || known.Params == nil {
			return nil
		}
		params, err := known.Params(e, known.DefaultLease)
		if err != nil {
			// A value that is no address or account: nothing to act on.
			r.Log.Debug("no action on this entity", "part", part, "entity", e.Value, "error", err)
			return nil
		}
		key, err := suggestionKey(tx, in, part, alert, params)
		if err != nil {
			return err
		}
		a, err := r.ProposeIn(tx, Proposal{
			Key: key, Part: part, Asset: alert.Asset, Incident: in.ID, Params: params, Why: why, By: holdfastWho,
		})
		out = append(out, a)
		return err
	}
	for _, e := range groupOf(&alert) {
		if e.Kind == holdfast.EntitySource {
			if err := suggest(blockAddress, e, fmt.Sprintf("%s came from it", alert.Title)); err != nil {
				return out, err
			}
		}
	}
	for _, user := range LoggedIn(&alert) {
		if err := suggest(disableAccount, holdfast.Entity{Kind: holdfast.EntityUser, Value: user}, "it logged in after failed attempts"); err != nil {
			return out, err
		}
	}
	return out, nil
}

// suggestionKey counts the earlier actions of the same effect that are over and
// did not last.
func suggestionKey(tx Tx, in holdfast.Incident, part string, alert holdfast.Alert, params holdfast.Raw) (string, error) {
	actions, err := tx.ActionsOf(in.ID)
	if err != nil {
		return "", err
	}
	over := 0
	for _, a := range actions {
		if a.Part == part && a.Asset == alert.Asset && sameJSON(a.Params, params) && a.Status == holdfast.Undone && alert.Last.After(a.Undone) {
			over++
		}
	}
	return fmt.Sprintf("%q %q %q %q %s", in.ID, part, alert.Asset, params, strconv.Itoa(over)), nil
}
