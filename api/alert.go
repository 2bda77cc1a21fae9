package api

import (
	"context"

	"holdfast"
)

type because struct {
	ByID
	Body struct {
		Because string `json:"because" minLength:"3" maxLength:"2000"`
	}
}

func (a *API) alert() {
	nouns(a, "alert", "alerts", a.State.Alerts)
	add(a, route{"POST", "/alerts/{id}/close", "alert.close", "Close an alert, with the reason", "alert"}, func(ctx context.Context, in *because) (*One[holdfast.Alert], error) {
		return one(a.Loop.CloseAlert(ctx, who(ctx), in.ID, in.Body.Because))
	})
}
