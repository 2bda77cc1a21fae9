// Package all lists every action that Holdfast ships.
package all

import (
	"holdfast/respond/action"
	"holdfast/respond/action/blockaddress"
	"holdfast/respond/action/disableaccount"
)

// All lists them by name.
func All() []action.Action {
	return []action.Action{blockaddress.Action(), disableaccount.Action()}
}
