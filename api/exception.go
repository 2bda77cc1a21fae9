package api

import (
	"context"
	"time"

	"holdfast"
)

func (a *API) exception() {
	add(a, route{"GET", "/exceptions", "exception.read", "List what keeps events from rules, with what each has hidden", ""}, func(ctx context.Context, _ *struct{}) (*List[holdfast.Exception], error) {
		items, err := a.Loop.Exceptions(ctx)
		return listed(items, len(items)), err
	})
	add(a, route{"GET", "/exceptions/{id}", "exception.read", "One exception", "exception"}, func(ctx context.Context, in *ByID) (*One[holdfast.Exception], error) {
		items, err := a.Loop.Exceptions(ctx)
		if err != nil {
			return nil, err
		}
		for _, x := range items {
			if x.ID == in.ID {
				return &One[holdfast.Exception]{x}, nil
			}
		}
		return nil, notFound("exception", in.ID)
	})
	type create struct {
		Body struct {
			Rule    string    `json:"rule" maxLength:"300"`
			Where   string    `json:"where" maxLength:"16384" doc:"a selection in Sigma's words, as YAML or JSON"`
			Owner   string    `json:"owner" maxLength:"200"`
			Reason  string    `json:"reason" maxLength:"2000"`
			Expires time.Time `json:"expires"`
		}
	}
	add(a, route{"POST", "/exceptions", "exception.add", "Keep events from a rule for a time", ""}, func(ctx context.Context, in *create) (*One[holdfast.Exception], error) {
		b := in.Body
		return one(a.Loop.AddException(ctx, who(ctx), holdfast.Exception{Rule: b.Rule, Where: b.Where, Owner: b.Owner, Reason: b.Reason, Expires: b.Expires}))
	})
	add(a, route{"DELETE", "/exceptions/{id}", "exception.remove", "End an exception", "exception"}, func(ctx context.Context, in *ByID) (*One[holdfast.Exception], error) {
		return one(a.Loop.RemoveException(ctx, who(ctx), in.ID))
	})
}
