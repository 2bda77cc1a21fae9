package api

import (
	"context"
	"time"

	"holdfast"
	"holdfast/spine"
	"holdfast/store/events"
)

// Keeper is what keeps events, and what people tell it.
type Keeper interface {
	StoreStats(ctx context.Context) (spine.StoreStats, error)
	VerifyStore(ctx context.Context, deep bool) (events.Verification, error)
	LedgerHours(ctx context.Context, source string, from, to time.Time, limit int) ([]holdfast.LedgerRow, error)
	Reparse(ctx context.Context, who string, r spine.ReparseRequest) (spine.Reparsed, error)
	RetentionRules(ctx context.Context) ([]holdfast.Retention, error)
	SetRetention(ctx context.Context, who string, r holdfast.Retention) (holdfast.Retention, error)
	Retain(ctx context.Context, dry bool) (events.Retained, error)
	Drops(ctx context.Context, limit, offset int) ([]holdfast.Drop, int, error)
	Holds(ctx context.Context) ([]holdfast.Hold, error)
	AddHold(ctx context.Context, who string, h holdfast.Hold) (holdfast.Hold, error)
	ReleaseHold(ctx context.Context, who, name, because string) (holdfast.Hold, error)
}

func (a *API) store() {
	add(a, route{"GET", "/store/stats", "store.read", "What is kept, by dataset, and what it has cost", ""}, func(ctx context.Context, _ *struct{}) (*One[spine.StoreStats], error) {
		return one(a.Loop.StoreStats(ctx))
	})
	type verify struct {
		Body struct {
			Deep bool `json:"deep,omitempty" doc:"read every row as well"`
		}
	}
	add(a, route{"POST", "/store/verify", "store.verify", "Hold files and ledger against the manifest", ""}, func(ctx context.Context, in *verify) (*One[events.Verification], error) {
		return one(a.Loop.VerifyStore(ctx, in.Body.Deep))
	})
	type hours struct {
		Source string    `query:"source" maxLength:"1000"`
		From   time.Time `query:"from"`
		To     time.Time `query:"to"`
		Limit  int       `query:"limit" minimum:"1" maximum:"10000" default:"1000"`
	}
	add(a, route{"GET", "/ledger", "store.read", "The ledger by source and hour, the newest first", ""}, func(ctx context.Context, in *hours) (*List[holdfast.LedgerRow], error) {
		items, err := a.Loop.LedgerHours(ctx, in.Source, in.From, in.To, in.Limit)
		return listed(items, len(items)), err
	})
	type reparse struct {
		Body struct {
			Source string    `json:"source,omitempty" maxLength:"1000" doc:"a name, or a pattern with *"`
			From   time.Time `json:"from,omitempty" required:"false"`
			To     time.Time `json:"to,omitempty" required:"false"`
			Dry    bool      `json:"dry_run,omitempty"`
		}
	}
	add(a, route{"POST", "/deadletters/reparse", "deadletter.reparse", "Give dead letters to today's parsers", ""}, func(ctx context.Context, in *reparse) (*One[spine.Reparsed], error) {
		b := in.Body
		return one(a.Loop.Reparse(ctx, who(ctx), spine.ReparseRequest{Source: b.Source, From: b.From, To: b.To, Dry: b.Dry}))
	})
	a.retention()
	a.hold()
}

func (a *API) retention() {
	add(a, route{"GET", "/retention", "store.read", "How long each dataset is kept", ""}, func(ctx context.Context, _ *struct{}) (*List[holdfast.Retention], error) {
		items, err := a.Loop.RetentionRules(ctx)
		return listed(items, len(items)), err
	})
	type set struct {
		Body struct {
			Dataset string            `json:"dataset" maxLength:"200" doc:"a name, or a pattern with *"`
			Age     holdfast.Duration `json:"age,omitempty" doc:"0 for ever"`
			Size    uint64            `json:"size,omitempty" doc:"bytes; 0 for any"`
		}
	}
	add(a, route{"PUT", "/retention", "retention.set", "Say how long a dataset is kept", ""}, func(ctx context.Context, in *set) (*One[holdfast.Retention], error) {
		return one(a.Loop.SetRetention(ctx, who(ctx), holdfast.Retention{Dataset: in.Body.Dataset, Age: in.Body.Age, Size: in.Body.Size}))
	})
	add(a, route{"GET", "/retention/preview", "store.read", "What would be dropped now", ""}, func(ctx context.Context, _ *struct{}) (*One[events.Retained], error) {
		return one(a.Loop.Retain(ctx, true))
	})
	add(a, route{"POST", "/retention/run", "retention.run", "Drop now what was kept long enough", ""}, func(ctx context.Context, _ *struct{}) (*One[events.Retained], error) {
		return one(a.Loop.Retain(ctx, false))
	})
	add(a, route{"GET", "/drops", "store.read", "What was dropped, the newest first", ""}, func(ctx context.Context, in *Page) (*List[holdfast.Drop], error) {
		items, total, err := a.Loop.Drops(ctx, in.Limit, in.Offset)
		return listed(items, total), err
	})
}

func (a *API) hold() {
	add(a, route{"GET", "/holds", "hold.read", "List what must not be dropped", ""}, func(ctx context.Context, _ *struct{}) (*List[holdfast.Hold], error) {
		items, err := a.Loop.Holds(ctx)
		return listed(items, len(items)), err
	})
	type create struct {
		Body struct {
			Name    string    `json:"name" maxLength:"100"`
			Query   string    `json:"query,omitempty" maxLength:"65536"`
			Dataset string    `json:"dataset,omitempty" maxLength:"200"`
			From    time.Time `json:"from,omitempty" required:"false"`
			To      time.Time `json:"to,omitempty" required:"false"`
			Reason  string    `json:"reason" maxLength:"2000"`
		}
	}
	add(a, route{"POST", "/holds", "hold.add", "Keep events from being dropped", ""}, func(ctx context.Context, in *create) (*One[holdfast.Hold], error) {
		b := in.Body
		return one(a.Loop.AddHold(ctx, who(ctx), holdfast.Hold{Name: b.Name, Query: b.Query, Dataset: b.Dataset, From: b.From, To: b.To, Reason: b.Reason}))
	})
	type release struct {
		ID   string `path:"id" maxLength:"100"`
		Body struct {
			Because string `json:"because" maxLength:"2000"`
		}
	}
	add(a, route{"POST", "/holds/{id}/release", "hold.release", "End a hold", "hold"}, func(ctx context.Context, in *release) (*One[holdfast.Hold], error) {
		return one(a.Loop.ReleaseHold(ctx, who(ctx), in.ID, in.Body.Because))
	})
}
