package api

import (
	"context"
	"time"

	"holdfast"
	"holdfast/spine"
)

// TableInfo describes a table of facts without its rows.
type TableInfo struct {
	Name      string    `json:"name"`
	Collected time.Time `json:"collected"`
	Rows      int       `json:"rows"`
	Error     string    `json:"error,omitempty"`
	Partial   string    `json:"partial,omitempty"`
}

func (a *API) asset() {
	nouns(a, "asset", "assets", a.State.Assets)
	add(a, route{"GET", "/assets/{id}/facts", "asset.read", "The fact tables of an asset", "asset"}, func(ctx context.Context, in *ByID) (*List[TableInfo], error) {
		facts, err := a.State.Facts(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		out := make([]TableInfo, 0, len(facts.Tables))
		for _, name := range sortedKeys(facts.Tables) {
			t := facts.Tables[name]
			out = append(out, TableInfo{t.Name, t.Collected, len(t.Rows), t.Error, t.Partial})
		}
		return listed(out, len(out)), nil
	})
	type table struct {
		ByID
		Table string `path:"table" maxLength:"100"`
	}
	add(a, route{"GET", "/assets/{id}/facts/{table}", "asset.read", "One fact table", "asset"}, func(ctx context.Context, in *table) (*One[holdfast.Table], error) {
		facts, err := a.State.Facts(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		t, ok := facts.Tables[in.Table]
		if !ok {
			return nil, notFound("table", in.Table)
		}
		return &One[holdfast.Table]{t}, nil
	})
	add(a, route{"POST", "/assets/{id}/assess", "asset.assess", "Collect facts and judge them now", "asset"}, func(ctx context.Context, in *ByID) (*One[spine.Assessment], error) {
		return one(a.Loop.AssessNow(ctx, who(ctx), in.ID))
	})
	type tags struct {
		ByID
		Body struct {
			Tags map[string]string `json:"tags"`
		}
	}
	add(a, route{"PUT", "/assets/{id}/tags", "asset.tag", "Set an asset's tags", "asset"}, func(ctx context.Context, in *tags) (*One[holdfast.Asset], error) {
		return one(a.Loop.Tag(ctx, who(ctx), in.ID, in.Body.Tags))
	})
	type enrol struct {
		Body struct {
			Name string            `json:"name,omitempty" maxLength:"200"`
			TTL  holdfast.Duration `json:"ttl,omitempty"`
		}
	}
	type token struct {
		Token   string `json:"token"`
		Command string `json:"command"`
	}
	add(a, route{"POST", "/assets/tokens", "asset.enrol", "A one-use token to enrol an agent", ""}, func(ctx context.Context, in *enrol) (*One[token], error) {
		t, err := a.Loop.Enrol(ctx, who(ctx), in.Body.Name, in.Body.TTL.Std())
		return &One[token]{token{t, "holdfast-agent enrol --token " + t}}, err
	})
	type verdicts struct{ Page }
	add(a, route{"GET", "/verdicts", "check.read", "List verdicts", ""}, func(ctx context.Context, in *verdicts) (*List[holdfast.Verdict], error) {
		items, total, err := a.State.Verdicts().List(ctx, in.filter())
		return listed(items, total), err
	})
	add(a, route{"GET", "/findings", "finding.read", "List findings", ""}, func(ctx context.Context, in *Page) (*List[holdfast.Finding], error) {
		items, total, err := a.State.Findings().List(ctx, in.filter())
		return listed(items, total), err
	})
}
