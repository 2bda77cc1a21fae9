package api

import (
	"context"

	"holdfast"
)

func (a *API) drill() {
	nouns(a, "drill", "drills", a.State.Drills)
	type start struct {
		Body struct {
			Kind     string `json:"kind" maxLength:"100"`
			Asset    string `json:"asset" maxLength:"200"`
			Incident string `json:"incident,omitempty" maxLength:"200"`
		}
	}
	add(a, route{"POST", "/drills", "drill.run", "Run a drill", ""}, func(ctx context.Context, in *start) (*One[holdfast.Drill], error) {
		return one(a.Loop.RunDrill(ctx, who(ctx), in.Body.Kind, in.Body.Asset, in.Body.Incident))
	})
}
