package api

import (
	"context"
	"time"

	"holdfast"
	"holdfast/spine"
)

// Physician tells how well the pipeline is.
type Physician interface {
	HealthNow(ctx context.Context) (spine.Health, error)
	BlindFor(ctx context.Context, kind, subject string) (spine.Blindness, error)
	Mutes(ctx context.Context) ([]holdfast.Mute, error)
	AddMute(ctx context.Context, who string, m holdfast.Mute) (holdfast.Mute, error)
	EndMute(ctx context.Context, who, id string) (holdfast.Mute, error)
}

func (a *API) health() {
	add(a, route{"GET", "/health", "status.read", "Sources with their rhythms, what is wrong, and what is blind for it", ""}, func(ctx context.Context, _ *struct{}) (*One[spine.Health], error) {
		return one(a.Loop.HealthNow(ctx))
	})
	type about struct {
		Kind    string `query:"kind" enum:"agent,quiet,field,parse,clock,lag,disk" required:"true"`
		Subject string `query:"subject" maxLength:"1000" required:"true"`
	}
	add(a, route{"GET", "/health/blind", "status.read", "All rules that one trouble blinds", ""}, func(ctx context.Context, in *about) (*One[spine.Blindness], error) {
		return one(a.Loop.BlindFor(ctx, in.Kind, in.Subject))
	})
	add(a, route{"GET", "/health/mutes", "status.read", "List the troubles that raise no alert", ""}, func(ctx context.Context, _ *struct{}) (*List[holdfast.Mute], error) {
		items, err := a.Loop.Mutes(ctx)
		return listed(items, len(items)), err
	})
	type mute struct {
		Body struct {
			Kind    string    `json:"kind,omitempty" doc:"any if empty"`
			Subject string    `json:"subject" maxLength:"1000" doc:"a source, an asset, dataset/field, or a pattern with *"`
			Reason  string    `json:"reason" maxLength:"2000"`
			Expires time.Time `json:"expires"`
		}
	}
	add(a, route{"POST", "/health/mutes", "health.mute", "Keep a trouble from raising alerts for a time", ""}, func(ctx context.Context, in *mute) (*One[holdfast.Mute], error) {
		b := in.Body
		return one(a.Loop.AddMute(ctx, who(ctx), holdfast.Mute{Kind: b.Kind, Subject: b.Subject, Reason: b.Reason, Expires: b.Expires}))
	})
	add(a, route{"DELETE", "/health/mutes/{id}", "health.unmute", "End a mute before its time", "mute"}, func(ctx context.Context, in *ByID) (*One[holdfast.Mute], error) {
		return one(a.Loop.EndMute(ctx, who(ctx), in.ID))
	})
}
