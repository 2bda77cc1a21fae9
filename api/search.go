package api

import (
	"context"

	"holdfast"
	"holdfast/api/authz"
)

// Searcher keeps searches, and runs those that are rules.
type Searcher interface {
	Searches(ctx context.Context, who string, limit, offset int) ([]holdfast.Search, int, error)
	Search(ctx context.Context, who, name string) (holdfast.Search, error)
	SaveSearch(ctx context.Context, who string, chief bool, x holdfast.Search) (holdfast.Search, error)
	DeleteSearch(ctx context.Context, who string, chief bool, name string) (holdfast.Search, error)
	ScheduleSearch(ctx context.Context, who, name string, r holdfast.SearchRule) (holdfast.Search, error)
	UnscheduleSearch(ctx context.Context, who, name string) (holdfast.Search, error)
}

func (a *API) search() {
	add(a, route{"GET", "/searches", "search.read", "List saved searches: one's own and the shared ones", ""}, func(ctx context.Context, in *Page) (*List[holdfast.Search], error) {
		items, total, err := a.Loop.Searches(ctx, who(ctx), in.Limit, in.Offset)
		return listed(items, total), err
	})
	add(a, route{"GET", "/searches/{id}", "search.read", "One saved search", "search"}, func(ctx context.Context, in *ByID) (*One[holdfast.Search], error) {
		return one(a.Loop.Search(ctx, who(ctx), in.ID))
	})
	type save struct {
		ByID
		Body struct {
			Title  string            `json:"title,omitempty" maxLength:"200"`
			Query  string            `json:"query" maxLength:"65536"`
			Last   holdfast.Duration `json:"last,omitempty" doc:"how far back it looks; 0 for what the query says"`
			Shared bool              `json:"shared,omitempty" doc:"everybody sees it"`
		}
	}
	add(a, route{"PUT", "/searches/{id}", "search.save", "Save a search under a name", "search"}, func(ctx context.Context, in *save) (*One[holdfast.Search], error) {
		b := in.Body
		x := holdfast.Search{Name: in.ID, Title: b.Title, Query: b.Query, Last: b.Last, Shared: b.Shared}
		return one(a.Loop.SaveSearch(ctx, who(ctx), a.chief(ctx), x))
	})
	add(a, route{"DELETE", "/searches/{id}", "search.delete", "Forget a saved search", "search"}, func(ctx context.Context, in *ByID) (*One[holdfast.Search], error) {
		return one(a.Loop.DeleteSearch(ctx, who(ctx), a.chief(ctx), in.ID))
	})
	type schedule struct {
		ByID
		Body struct {
			Every     holdfast.Duration `json:"every"`
			Window    holdfast.Duration `json:"window,omitempty" doc:"what is counted together; every if 0"`
			Threshold int               `json:"threshold,omitempty" minimum:"0" doc:"rows that make an alert; 1 if 0"`
			GroupBy   string            `json:"group_by,omitempty" maxLength:"300" doc:"the column whose values are counted apart"`
			Level     string            `json:"level,omitempty" doc:"informational, low, medium, high or critical; medium if empty"`
			Attack    []string          `json:"attack,omitempty" maxItems:"20"`
			Throttle  holdfast.Duration `json:"throttle,omitempty" doc:"no second alert of a group for so long"`
		}
	}
	add(a, route{"PUT", "/searches/{id}/rule", "search.schedule", "Run a saved search over what comes in, and raise alerts", "search"}, func(ctx context.Context, in *schedule) (*One[holdfast.Search], error) {
		b := in.Body
		return one(a.Loop.ScheduleSearch(ctx, who(ctx), in.ID, holdfast.SearchRule{
			Every: b.Every, Window: b.Window, Threshold: b.Threshold, GroupBy: b.GroupBy, Level: holdfast.Level(b.Level), Attack: b.Attack, Throttle: b.Throttle,
		}))
	})
	add(a, route{"DELETE", "/searches/{id}/rule", "search.schedule", "Run a saved search over what comes in no more", "search"}, func(ctx context.Context, in *ByID) (*One[holdfast.Search], error) {
		return one(a.Loop.UnscheduleSearch(ctx, who(ctx), in.ID))
	})
}

// chief says that somebody may change searches that are rules, and those that
// others share.
func (a *API) chief(ctx context.Context) bool {
	u := callerOf(ctx).user
	return a.Policy.Allow(authz.Principal{Name: u.Name, Roles: u.Roles}, "search.schedule", authz.Subject{}) == nil
}
