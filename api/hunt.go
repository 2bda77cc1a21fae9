package api

import (
	"context"
	"time"

	"holdfast"
	"holdfast/spine"
)

// maxHuntBody is the largest request for a hunt: a list of indicators, with
// room for how JSON writes it.
const maxHuntBody = 24 << 20

// Hunter looks for one thing over stored history.
type Hunter interface {
	StartHunt(ctx context.Context, who string, r spine.HuntRequest) (holdfast.Hunt, error)
	Hunts(ctx context.Context, limit, offset int) ([]holdfast.Hunt, int, error)
	Hunt(ctx context.Context, id string) (holdfast.Hunt, error)
	CancelHunt(ctx context.Context, who, id string) (holdfast.Hunt, error)
	DeleteHunt(ctx context.Context, who, id string) (holdfast.Hunt, error)
}

func (a *API) hunt() {
	add(a, route{"GET", "/hunts", "hunt.read", "List hunts, the newest first, without what they found", ""}, func(ctx context.Context, in *Page) (*List[holdfast.Hunt], error) {
		items, total, err := a.Loop.Hunts(ctx, in.Limit, in.Offset)
		return listed(items, total), err
	})
	add(a, route{"GET", "/hunts/{id}", "hunt.read", "One hunt, how far it is and what it found", "hunt"}, func(ctx context.Context, in *ByID) (*One[holdfast.Hunt], error) {
		return one(a.Loop.Hunt(ctx, in.ID))
	})
	type start struct {
		Body struct {
			Rule       string    `json:"rule,omitempty" maxLength:"300" doc:"the key of a loaded rule; or"`
			Text       string    `json:"text,omitempty" maxLength:"1000000" doc:"a rule as a file has it; or"`
			Indicators string    `json:"indicators,omitempty" doc:"a list: lines, CSV or a STIX bundle"`
			Name       string    `json:"name,omitempty" maxLength:"200" doc:"what the list is called"`
			From       time.Time `json:"from,omitempty" required:"false"`
			To         time.Time `json:"to,omitempty" required:"false"`
			Raw        bool      `json:"raw,omitempty" doc:"look for indicators in the records as well"`
			SkipFaults bool      `json:"skip_faults,omitempty" doc:"hunt with what is right of a list"`
		}
	}
	add(a, route{"POST", "/hunts", "hunt.run", "Look for a rule or a list of indicators over stored history", ""}, func(ctx context.Context, in *start) (*One[holdfast.Hunt], error) {
		b := in.Body
		return one(a.Loop.StartHunt(ctx, who(ctx), spine.HuntRequest{
			Rule: b.Rule, Text: b.Text, List: b.Indicators, Name: b.Name, From: b.From, To: b.To, Raw: b.Raw, SkipFaults: b.SkipFaults,
		}))
	})
	add(a, route{"POST", "/hunts/{id}/cancel", "hunt.cancel", "Stop a hunt; what it found is kept", "hunt"}, func(ctx context.Context, in *ByID) (*One[holdfast.Hunt], error) {
		return one(a.Loop.CancelHunt(ctx, who(ctx), in.ID))
	})
	add(a, route{"DELETE", "/hunts/{id}", "hunt.delete", "Forget a hunt", "hunt"}, func(ctx context.Context, in *ByID) (*One[holdfast.Hunt], error) {
		return one(a.Loop.DeleteHunt(ctx, who(ctx), in.ID))
	})
}
