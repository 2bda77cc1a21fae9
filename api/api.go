// Package api is Holdfast over HTTP: one file a noun, OpenAPI made from the Go
// types, every route behind the one policy of package authz. It holds no SQL
// and takes no decisions: those are the stages', handed in as Loop.
package api

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"

	"holdfast"
	"holdfast/api/account"
	"holdfast/api/authz"
	"holdfast/internal/clock"
	"holdfast/query"
	"holdfast/spine"
	"holdfast/store/events"
	"holdfast/store/state"
)

// Prefix is where all routes stand.
const Prefix = "/api/v1"

// MaxBody is the largest request body but for events: 1 MiB.
const MaxBody = 1 << 20

// Options are what the API is given.
type Options struct {
	State    *state.DB
	Accounts *account.Accounts
	Policy   *authz.Policy
	Events   Events
	Loop     Loop
	Evidence EvidenceLog
	Console  http.Handler // the web console; nil for none
	// Ingest returns the way in that a request is for, or nil; it looks at the
	// token itself. It is asked before any route. May be nil.
	Ingest   func(*http.Request) http.Handler
	Datasets map[string]holdfast.Dataset // whose names searches may use
	Clock    clock.Clock
	Log      *slog.Logger
	Version  string
	Secure   bool // cookies only over TLS
	// Origin is the address people see, for links.
	Origin string
}

// Events answers searches.
type Events interface {
	Query(ctx context.Context, st events.Statement) (events.Result, error)
	Event(ctx context.Context, id holdfast.EventID) (holdfast.Event, error)
}

// EvidenceLog is read by auditors.
type EvidenceLog interface {
	// List and Export have all that was recorded before they are asked.
	List(ctx context.Context, before uint64, limit int) ([]EvidenceEntry, error)
	Checkpoint() (text string, size uint64, err error)
	Export(ctx context.Context, w io.Writer) error
}

// EvidenceEntry is one entry with its place in the log.
type EvidenceEntry struct {
	Index    uint64            `json:"index"`
	Evidence holdfast.Evidence `json:"evidence"`
}

// Loop is what the stages do on somebody's word. Every method is idempotent or
// fails with holdfast.ErrConflict.
type Loop interface {
	Keeper
	Searcher
	Hunter
	Physician

	Status(ctx context.Context) (spine.Status, error)
	Overview(ctx context.Context) (spine.Overview, error)
	Catalogue(kind string) ([]spine.Part, error)

	AssessNow(ctx context.Context, who, asset string) (spine.Assessment, error)
	Enrol(ctx context.Context, who, name string, ttl time.Duration) (token string, err error)
	Tag(ctx context.Context, who, asset string, tags map[string]string) (holdfast.Asset, error)
	Checks() ([]spine.CheckInfo, holdfast.Faults)
	Rules() ([]holdfast.RuleInfo, holdfast.Faults)
	Inputs(ctx context.Context) ([]spine.InputInfo, error)

	Exceptions(ctx context.Context) ([]holdfast.Exception, error)
	AddException(ctx context.Context, who string, x holdfast.Exception) (holdfast.Exception, error)
	RemoveException(ctx context.Context, who, id string) (holdfast.Exception, error)
	Coverage(ctx context.Context) (holdfast.Coverage, error)
	Replay(r spine.ReplayRequest) (func(ctx context.Context, step func(holdfast.ReplayLine)) (holdfast.Replay, error), error)

	Requirements() ([]holdfast.Requirement, holdfast.Faults)
	Plan(ctx context.Context, who, requirement, asset string) ([]holdfast.Action, error)
	Prove(ctx context.Context, who, requirement, asset string) (spine.Proofs, error)

	Propose(ctx context.Context, who string, p spine.Proposal) (holdfast.Action, error)
	Decide(ctx context.Context, who, action, verb, because string) (holdfast.Action, error)

	CloseAlert(ctx context.Context, who, id, because string) (holdfast.Alert, error)
	Gate(ctx context.Context, id string) ([]holdfast.Open, error)
	Close(ctx context.Context, who, id string) (holdfast.Incident, []holdfast.Open, error)
	Override(ctx context.Context, who, id, because string, ttl time.Duration) (holdfast.Incident, error)
	Grant(ctx context.Context, who, id string) (holdfast.Incident, error)
	Work(ctx context.Context, who, id string, w spine.Work) (holdfast.Incident, error)
	OpenIncident(ctx context.Context, who, title string, level holdfast.Level, f spine.Found) (holdfast.Incident, error)

	RunDrill(ctx context.Context, who, kind, asset, incident string) (holdfast.Drill, error)
}

// API serves the routes.
type API struct {
	Options
	huma   huma.API
	router chi.Router
	stream *stream
	seen   seen
}

// New registers every route.
func New(o Options) *API {
	a := &API{Options: o, router: chi.NewMux(), stream: newStream()}
	config := huma.DefaultConfig("Holdfast", o.Version)
	config.Info.Description = "The loop over HTTP: requirements, checks, events, alerts, incidents, actions, evidence."
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = Prefix+"/openapi", "", ""
	config.CreateHooks = nil // no $schema links in bodies
	config.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", namer())
	a.router.Use(a.headers, a.waysIn)
	a.huma = humachi.New(a.router, config)
	a.session()
	a.status()
	a.health()
	a.asset()
	a.check()
	a.requirement()
	a.alert()
	a.incident()
	a.incidentEvents()
	a.action()
	a.rule()
	a.exception()
	a.replay()
	a.event()
	a.query()
	a.facet()
	a.tail()
	a.tree()
	a.search()
	a.hunt()
	a.store()
	a.drill()
	a.user()
	a.evidence()
	a.streamRoute()
	words(a.huma.OpenAPI().Components.Schemas)
	if o.Console != nil {
		a.router.NotFound(o.Console.ServeHTTP)
	}
	if o.State != nil {
		o.State.OnChange(a.stream.tell)
	}
	return a
}

// namer gives every type of a body a name of its own, also where two routes
// have a local type of the same name.
func namer() func(reflect.Type, string) string {
	taken := map[string]reflect.Type{}
	return func(t reflect.Type, hint string) string {
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		base := huma.DefaultSchemaNamer(t, hint)
		name := base
		for n := 2; taken[name] != nil && taken[name] != t; n++ {
			name = base + strconv.Itoa(n)
		}
		taken[name] = t
		return name
	}
}

// words says in the description which words a field may hold, where its type
// has a fixed list of them.
func words(schemas huma.Registry) {
	lists := map[reflect.Type][]any{
		reflect.TypeFor[holdfast.Level](): texts(holdfast.Informational, holdfast.Low, holdfast.Medium, holdfast.High, holdfast.Critical),
		reflect.TypeFor[holdfast.State](): texts(
			holdfast.Holds, holdfast.Broken, holdfast.StateUnknown, holdfast.Excepted, holdfast.Inapplicable, holdfast.NotYet,
		),
		reflect.TypeFor[holdfast.Status](): texts(holdfast.Pass, holdfast.Fail, holdfast.NotApplicable, holdfast.Unknown),
		reflect.TypeFor[holdfast.ActionStatus](): texts(
			holdfast.Proposed, holdfast.Planned, holdfast.Approved, holdfast.Applying, holdfast.Applied, holdfast.Verified,
			holdfast.Undoing, holdfast.Undone, holdfast.Accepted, holdfast.Failed, holdfast.Rejected,
		),
	}
	for name, schema := range schemas.Map() {
		t := schemas.TypeFromRef("#/components/schemas/" + name)
		if t == nil || t.Kind() != reflect.Struct {
			continue
		}
		for i := range t.NumField() {
			f := t.Field(i)
			field, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if p := schema.Properties[field]; p != nil && lists[f.Type] != nil {
				p.Enum = lists[f.Type]
				p.PrecomputeMessages() // they were made without the list
			}
		}
	}
}

// texts are words as they stand in JSON, which is what a request is held against.
func texts[T ~string](list ...T) []any {
	out := make([]any, len(list))
	for i, w := range list {
		out[i] = string(w)
	}
	return out
}

// ServeHTTP serves one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.router.ServeHTTP(w, r) }

// OpenAPI returns the description of all routes as JSON.
func (a *API) OpenAPI() ([]byte, error) { return a.huma.OpenAPI().MarshalJSON() }

func (a *API) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Frame-Options", "DENY")
		next.ServeHTTP(w, r)
	})
}

func (a *API) waysIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.Ingest != nil {
			if h := a.Ingest(r); h != nil {
				h.ServeHTTP(w, r)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// route describes one route; Effect is what it does, by package authz.
type route struct {
	method, path, effect, summary string
	noun                          string // what {id} is
}

// add registers a route. It panics on an effect that the policy does not know:
// that is a mistake in this package, seen by every test.
func add[I, O any](a *API, r route, handle func(ctx context.Context, in *I) (*O, error)) {
	if !authz.Known(r.effect) && r.effect != public {
		panic("api: no such effect " + r.effect)
	}
	op := huma.Operation{
		OperationID: operationID(r), Method: r.method, Path: Prefix + r.path, Summary: r.summary,
		Metadata: map[string]any{"effect": r.effect, "noun": r.noun}, MaxBodyBytes: bodyLimit(r),
		Middlewares: huma.Middlewares{a.guard(r)}, Tags: []string{tag(r.path)},
		DefaultStatus: http.StatusOK,
	}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		a.account(ctx, r, err)
		if err != nil {
			return nil, problem(err)
		}
		return out, nil
	})
}

// bodyLimit is how large a request's body may be: MaxBody, and more where
// people send lists.
func bodyLimit(r route) int64 {
	if r.method == "POST" && r.path == "/hunts" {
		return maxHuntBody
	}
	return MaxBody
}

// Page is what every list takes.
type Page struct {
	Limit       int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"rows at most"`
	Offset      int    `query:"offset" minimum:"0" doc:"rows to pass over"`
	Status      string `query:"status"`
	Asset       string `query:"asset"`
	Rule        string `query:"rule"`
	Incident    string `query:"incident"`
	Requirement string `query:"requirement"`
	Check       string `query:"check"`
	Drill       string `query:"drill"`
	Open        string `query:"open"`
}

func (p Page) filter() state.Filter {
	where := map[string]string{}
	for k, v := range map[string]string{
		"status": p.Status, "asset": p.Asset, "rule": p.Rule, "incident": p.Incident, "requirement": p.Requirement,
		"check": p.Check, "drill": p.Drill, "open": p.Open,
	} {
		if v != "" {
			where[k] = v
		}
	}
	return state.Filter{Where: where, Limit: p.Limit, Offset: p.Offset}
}

// List is the body of every list.
type List[T any] struct {
	Body struct {
		Items []T `json:"items"`
		Total int `json:"total"`
	}
}

// One is the body of a single noun.
type One[T any] struct{ Body T }

// ByID takes the id of a noun.
type ByID struct {
	ID string `path:"id" maxLength:"200"`
}

type lister[T any] interface {
	List(ctx context.Context, f state.Filter) ([]T, int, error)
}

type getter[T any] interface {
	Get(ctx context.Context, id string) (T, error)
}

// nouns registers the list and the single read of a noun.
func nouns[T any, C interface {
	lister[T]
	getter[T]
}](a *API, noun, plural string, of func() C) {
	add(a, route{"GET", "/" + plural, noun + ".read", "List " + plural, ""}, func(ctx context.Context, in *Page) (*List[T], error) {
		items, total, err := of().List(ctx, in.filter())
		return listed(items, total), err
	})
	add(a, route{"GET", "/" + plural + "/{id}", noun + ".read", "One " + noun, noun}, func(ctx context.Context, in *ByID) (*One[T], error) {
		t, err := of().Get(ctx, in.ID)
		return &One[T]{t}, err
	})
}

func listed[T any](items []T, total int) *List[T] {
	out := &List[T]{}
	if out.Body.Items = items; items == nil {
		out.Body.Items = []T{}
	}
	out.Body.Total = total
	return out
}

func one[T any](t T, err error) (*One[T], error) {
	if err != nil {
		return nil, err
	}
	return &One[T]{t}, nil
}

// queryRange fills the ends of a time range that were left out: the last 24
// hours, up to five minutes ahead for clocks that run fast.
func (a *API) queryRange(from, to time.Time) query.Range {
	now := a.Clock.Now()
	if to.IsZero() {
		to = now.Add(5 * time.Minute)
	}
	if from.IsZero() {
		from = to.Add(-24*time.Hour - 5*time.Minute)
	}
	return query.Range{From: from, To: to}
}

// Describe returns the OpenAPI description of all routes without anything
// behind them.
func Describe(version string) ([]byte, error) {
	return New(Options{Version: version, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler), State: &state.DB{}}).OpenAPI()
}
