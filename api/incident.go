package api

import (
	"context"

	"holdfast"
	"holdfast/api/authz"
	"holdfast/spine"
)

// IncidentView is an incident with what belongs to it.
type IncidentView struct {
	Incident holdfast.Incident `json:"incident"`
	Alerts   []holdfast.Alert  `json:"alerts"`
	Actions  []holdfast.Action `json:"actions"`
	Gate     []holdfast.Open   `json:"gate"`
}

func (a *API) incident() {
	add(a, route{"GET", "/incidents", "incident.read", "List incidents, the highest rank first", ""}, func(ctx context.Context, in *Page) (*List[holdfast.Incident], error) {
		items, total, err := a.State.Incidents().List(ctx, in.filter())
		return listed(items, total), err
	})
	add(a, route{"GET", "/incidents/{id}", "incident.read", "One incident with alerts, actions and what stands open", "incident"}, func(ctx context.Context, in *ByID) (*One[IncidentView], error) {
		return one(a.incidentView(ctx, in.ID))
	})
	add(a, route{"POST", "/incidents/{id}/close", "incident.close", "Close, if nothing stands open", "incident"}, func(ctx context.Context, in *ByID) (*One[holdfast.Incident], error) {
		inc, open, err := a.Loop.Close(ctx, who(ctx), in.ID)
		if err == nil && len(open) > 0 {
			err = errOpen{open}
		}
		return one(inc, err)
	})
	type override struct {
		ByID
		Body struct {
			Because string            `json:"because" minLength:"3" maxLength:"2000"`
			TTL     holdfast.Duration `json:"ttl"`
		}
	}
	add(a, route{"POST", "/incidents/{id}/override", "incident.override", "Ask to close against the gate, for a time", "incident"}, func(ctx context.Context, in *override) (*One[holdfast.Incident], error) {
		return one(a.Loop.Override(ctx, who(ctx), in.ID, in.Body.Because, in.Body.TTL.Std()))
	})
	add(a, route{"POST", "/incidents/{id}/override/grant", "incident.grant", "Grant what another person asked", "incident"}, func(ctx context.Context, in *ByID) (*One[holdfast.Incident], error) {
		inc, err := a.State.Incidents().Get(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		if inc.Override != nil {
			u := callerOf(ctx).user
			p := authz.Principal{Name: u.Name, Roles: u.Roles}
			if err := a.Policy.Allow(p, "incident.grant", authz.Subject{Noun: "incident", ID: in.ID, AskedBy: inc.Override.AskedBy}); err != nil {
				return nil, err
			}
		}
		return one(a.Loop.Grant(ctx, who(ctx), in.ID))
	})
	type reopen struct {
		ByID
		Body struct {
			Because string `json:"because" minLength:"3" maxLength:"2000"`
		}
	}
	add(a, route{"POST", "/incidents/{id}/reopen", "incident.reopen", "Open a closed one again", "incident"}, func(ctx context.Context, in *reopen) (*One[holdfast.Incident], error) {
		return one(a.Loop.Work(ctx, who(ctx), in.ID, spine.Work{Reopen: in.Body.Because}))
	})
	type note struct {
		ByID
		Body struct {
			Text string `json:"text" minLength:"1" maxLength:"20000"`
		}
	}
	add(a, route{"POST", "/incidents/{id}/note", "incident.note", "Add a note", "incident"}, func(ctx context.Context, in *note) (*One[holdfast.Incident], error) {
		return one(a.Loop.Work(ctx, who(ctx), in.ID, spine.Work{Note: in.Body.Text}))
	})
	type task struct {
		ByID
		Task string `path:"task" maxLength:"100"`
		Body struct {
			Done bool `json:"done"`
		}
	}
	add(a, route{"POST", "/incidents/{id}/task/{task}", "incident.task", "Mark a task done or not", "incident"}, func(ctx context.Context, in *task) (*One[holdfast.Incident], error) {
		return one(a.Loop.Work(ctx, who(ctx), in.ID, spine.Work{Task: in.Task, Done: in.Body.Done}))
	})
	type assign struct {
		ByID
		Body struct {
			User string `json:"user" maxLength:"64"`
		}
	}
	add(a, route{"POST", "/incidents/{id}/assign", "incident.assign", "Give it to somebody", "incident"}, func(ctx context.Context, in *assign) (*One[holdfast.Incident], error) {
		return one(a.Loop.Work(ctx, who(ctx), in.ID, spine.Work{Assign: &in.Body.User}))
	})
}

// incidentEvents are the routes that put what a search found into incidents.
func (a *API) incidentEvents() {
	type event struct {
		ByID
		Body struct {
			Event   string `json:"event" maxLength:"64" doc:"the id of a stored event"`
			Because string `json:"because" minLength:"3" maxLength:"2000"`
		}
	}
	add(a, route{"POST", "/incidents/{id}/event", "incident.event", "Add an event that a search found", "incident"}, func(ctx context.Context, in *event) (*One[holdfast.Incident], error) {
		f, err := a.foundEvent(ctx, in.Body.Event, in.Body.Because)
		if err != nil {
			return nil, err
		}
		return one(a.Loop.Work(ctx, who(ctx), in.ID, spine.Work{Found: &f}))
	})
	type open struct {
		Body struct {
			Title   string `json:"title" minLength:"1" maxLength:"300"`
			Level   string `json:"level" enum:"low,medium,high,critical"`
			Event   string `json:"event" maxLength:"64" doc:"the id of a stored event"`
			Because string `json:"because" minLength:"3" maxLength:"2000"`
		}
	}
	add(a, route{"POST", "/incidents", "incident.open", "Open an incident for an event that a search found", ""}, func(ctx context.Context, in *open) (*One[holdfast.Incident], error) {
		f, err := a.foundEvent(ctx, in.Body.Event, in.Body.Because)
		if err != nil {
			return nil, err
		}
		return one(a.Loop.OpenIncident(ctx, who(ctx), in.Body.Title, holdfast.Level(in.Body.Level), f))
	})
}

func (a *API) foundEvent(ctx context.Context, text, because string) (f spine.Found, err error) {
	var id holdfast.EventID
	if err := id.UnmarshalText([]byte(text)); err != nil {
		return f, err
	}
	e, err := a.Events.Event(ctx, id)
	if err != nil {
		return f, err
	}
	d := a.Datasets[e.Dataset]
	return spine.Found{Event: e, Entities: d.Entities(&e), Because: because}, nil
}

func (a *API) incidentView(ctx context.Context, id string) (v IncidentView, err error) {
	if v.Incident, err = a.State.Incidents().Get(ctx, id); err != nil {
		return v, err
	}
	if v.Alerts, _, err = a.State.Alerts().List(ctx, Page{Incident: id, Limit: 200}.filter()); err != nil {
		return v, err
	}
	if v.Actions, _, err = a.State.Actions().List(ctx, Page{Incident: id, Limit: 200}.filter()); err != nil {
		return v, err
	}
	v.Gate, err = a.Loop.Gate(ctx, id)
	v.Alerts, v.Actions, v.Gate = filled(v.Alerts), filled(v.Actions), filled(v.Gate)
	return v, err
}

func filled[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
