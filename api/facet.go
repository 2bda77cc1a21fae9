package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"holdfast"
	"holdfast/query"
	"holdfast/store/events"
)

// Facets are the fields of a search's events.
type Facets struct {
	Total  int64     `json:"total" doc:"events that the search finds"`
	Fields []OfField `json:"fields" doc:"fields that at least one event has"`
	More   bool      `json:"more" doc:"there are more fields than are told"`
	TookMS float64   `json:"took_ms"`
}

// OfField is one field of a search's events.
type OfField struct {
	Name      string `json:"name"`
	Kind      string `json:"kind" enum:"entity,event,native" doc:"entity: an ECS name that every source has; event: of the event itself; native: as the source called it"`
	ECS       string `json:"ecs,omitempty" doc:"the ECS name of a native field, where its dataset says one"`
	Events    int64  `json:"events"`
	Different int64  `json:"different" doc:"different values; of native fields, among more than 50000 events, about so many"`
}

// FacetValues are the values of one field over all events of a search.
type FacetValues struct {
	Field     string       `json:"field"`
	Total     int64        `json:"total" doc:"events that have the field"`
	Different int64        `json:"different"`
	Hosts     int64        `json:"hosts"`
	Values    []FacetValue `json:"values"`
	TookMS    float64      `json:"took_ms"`
}

// FacetValue is one value of a field.
type FacetValue struct {
	Value  string    `json:"value"`
	Cut    bool      `json:"cut,omitempty" doc:"the value is longer than what is told of it"`
	Events int64     `json:"events"`
	Hosts  int64     `json:"hosts"`
	First  time.Time `json:"first"`
	Last   time.Time `json:"last"`
}

// maxFacetValue is the most that is told of one value.
const maxFacetValue = 4 << 10

// maxExact is the most events over which all values of all fields are counted
// exactly, when no field was asked for.
const maxExact = 50_000

type facetsOf struct {
	Body struct {
		Q    string    `json:"q" maxLength:"65536"`
		From time.Time `json:"from,omitempty" required:"false"`
		To   time.Time `json:"to,omitempty" required:"false"`
	}
}

type facetOf struct {
	Body struct {
		Q     string    `json:"q" maxLength:"65536"`
		From  time.Time `json:"from,omitempty" required:"false"`
		To    time.Time `json:"to,omitempty" required:"false"`
		Field string    `json:"field" minLength:"1" maxLength:"4096"`
		Rare  bool      `json:"rare,omitempty" doc:"the values of the fewest hosts first, then of the fewest events"`
		Like  string    `json:"like,omitempty" maxLength:"1000" doc:"only values that hold this text"`
		Limit int       `json:"limit,omitempty" minimum:"0" maximum:"1000"`
	}
}

func (a *API) facet() {
	add(a, route{"POST", "/query/fields", "event.query", "The fields of a search's events, with how many have each and how many values it has", ""}, func(ctx context.Context, in *facetsOf) (*One[Facets], error) {
		return one(a.fields(ctx, in))
	})
	add(a, route{"POST", "/query/values", "event.query", "The values of a field over all events of a search, the most frequent or the rarest first", ""}, func(ctx context.Context, in *facetOf) (*One[FacetValues], error) {
		return one(a.values(ctx, in))
	})
}

// counting reads a search that is to be counted.
func (a *API) counting(text string, from, to time.Time) (*query.Query, query.Options, error) {
	q, err := query.Parse(text, a.Clock.Now())
	if err != nil {
		return nil, query.Options{}, err
	}
	o := a.options(from, to)
	if since, ok := query.Since(q); ok && from.IsZero() && since.Before(o.Range.From) {
		o.Range.From = since
	}
	return q, o, nil
}

func (a *API) ask(ctx context.Context, st query.Statement, rows int) (events.Result, error) {
	return a.Events.Query(ctx, events.Statement{SQL: st.SQL, Args: st.Args, Find: st.Find, FindArgs: st.FindArgs, Newest: st.Newest, From: st.Range.From, To: st.Range.To, MaxRows: rows})
}

func (a *API) fields(ctx context.Context, in *facetsOf) (out Facets, err error) {
	start := time.Now()
	q, o, err := a.counting(in.Body.Q, in.Body.From, in.Body.To)
	if err != nil {
		return out, err
	}
	ctx, cancel := context.WithTimeout(ctx, QueryTimeout)
	defer cancel()
	st, names, err := query.FacetColumns(q, o)
	if err != nil {
		return out, err
	}
	res, err := a.ask(ctx, st, 1)
	if err != nil {
		return out, err
	}
	out.Fields = []OfField{}
	if len(res.Rows) == 1 {
		row := res.Rows[0]
		out.Total = whole(row[0])
		for i, name := range names {
			kind := "event"
			if slices.Contains(holdfast.EntityKinds(), name) {
				kind = "entity"
			}
			if f := (OfField{Name: name, Kind: kind, Events: whole(row[1+2*i]), Different: whole(row[2+2*i])}); f.Events > 0 {
				out.Fields = append(out.Fields, f)
			}
		}
	}
	if st, err = query.FacetFields(q, out.Total <= maxExact, o); err != nil {
		return out, err
	}
	if res, err = a.ask(ctx, st, query.MaxFacets); err != nil {
		return out, err
	}
	out.More = res.Truncated
	ecs := a.ecsNames()
	for _, row := range res.Rows {
		if name, ok := row[0].(string); ok && len(name) <= maxFacetValue {
			n := whole(row[1])
			out.Fields = append(out.Fields, OfField{Name: name, Kind: "native", ECS: ecs[name], Events: n, Different: min(n, whole(row[2]))})
		}
	}
	out.TookMS = float64(time.Since(start).Microseconds()) / 1000
	return out, nil
}

// ecsNames are the ECS names of native fields; where datasets differ there is
// none.
func (a *API) ecsNames() map[string]string {
	out := map[string]string{}
	for _, d := range a.Datasets {
		for native, ecs := range d.ECS {
			if have, ok := out[native]; ok && have != ecs {
				ecs = ""
			}
			out[native] = ecs
		}
	}
	return out
}

func (a *API) values(ctx context.Context, in *facetOf) (out FacetValues, err error) {
	start := time.Now()
	q, o, err := a.counting(in.Body.Q, in.Body.From, in.Body.To)
	if err != nil {
		return out, err
	}
	ctx, cancel := context.WithTimeout(ctx, QueryTimeout)
	defer cancel()
	f := query.Facet{Field: in.Body.Field, Rare: in.Body.Rare, Like: in.Body.Like, Limit: cmp.Or(in.Body.Limit, 20)}
	st, err := query.FacetTotal(q, f, o)
	if err != nil {
		return out, err
	}
	res, err := a.ask(ctx, st, 1)
	if err != nil {
		return out, err
	}
	out.Field, out.Values = f.Field, []FacetValue{}
	if len(res.Rows) == 1 {
		out.Total, out.Different, out.Hosts = whole(res.Rows[0][0]), whole(res.Rows[0][1]), whole(res.Rows[0][2])
	}
	if st, err = query.FacetValues(q, f, o); err != nil {
		return out, err
	}
	if res, err = a.ask(ctx, st, f.Limit); err != nil {
		return out, err
	}
	for _, row := range res.Rows {
		v := FacetValue{Value: fmt.Sprint(row[0]), Events: whole(row[1]), Hosts: whole(row[2])}
		v.First, _ = row[3].(time.Time)
		v.Last, _ = row[4].(time.Time)
		if len(v.Value) > maxFacetValue {
			v.Value, v.Cut = v.Value[:maxFacetValue], true
		}
		out.Values = append(out.Values, v)
	}
	out.TookMS = float64(time.Since(start).Microseconds()) / 1000
	return out, nil
}

// whole is a number that a store counted.
func whole(v any) int64 {
	switch n := v.(type) {
	case int64:
		return n
	case uint64:
		return int64(min(n, 1<<62))
	case int32:
		return int64(n)
	case float64:
		return int64(n)
	}
	return 0
}
