package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"holdfast"
	"holdfast/api"
	"holdfast/assess"
	collectors "holdfast/assess/collect/all"
	artefacts "holdfast/control/artefact/all"
	"holdfast/drill"
	inputs "holdfast/ingest/input/all"
	parsers "holdfast/ingest/parser/all"
	actions "holdfast/respond/action/all"
	"holdfast/spine"
	"holdfast/store/evidence"
	"holdfast/store/state"
)

// lossy says which ways in promise less than the others.
func lossy() map[string]string {
	out := map[string]string{}
	for _, in := range inputs.All() {
		if in.Lossy != "" {
			out[in.Name+":udp:"] = in.Lossy
		}
	}
	return out
}

// catalogues describes every part for people.
func catalogues() map[string][]spine.Part {
	out := map[string][]spine.Part{}
	for _, x := range actions.All() {
		out["actions"] = append(out["actions"], spine.Part{Name: x.Name, Title: x.Title, Description: x.Description, References: x.References, Never: x.Never})
	}
	for _, x := range artefacts.All() {
		out["artefacts"] = append(out["artefacts"], spine.Part{Name: x.Name, Title: x.Title, Description: x.Description, References: x.References, Never: x.Never})
	}
	for _, x := range inputs.All() {
		out["inputs"] = append(out["inputs"], spine.Part{Name: x.Name, Title: x.Title, Description: x.Description, References: x.References, Where: x.Example.Where, Send: x.Send, Lossy: x.Lossy})
	}
	for _, x := range parsers.All() {
		out["parsers"] = append(out["parsers"], spine.Part{Name: x.Name, Title: x.Title, Description: x.Description, References: x.References})
	}
	for _, x := range collectors.All() {
		out["collectors"] = append(out["collectors"], spine.Part{Name: x.Name, Description: x.Description, References: x.References})
	}
	for _, x := range drill.Kinds() {
		out["drills"] = append(out["drills"], spine.Part{Name: x.Name, Title: x.Title, Description: x.Description})
	}
	return out
}

// checks shows package assess as the spine wants it.
type checks struct{ *assess.Assessor }

func (c checks) Checks() []spine.CheckInfo {
	var out []spine.CheckInfo
	for _, k := range c.List() {
		out = append(out, spine.CheckInfo{
			ID: k.ID, Title: k.Title, Severity: k.Severity, Description: k.Description, References: k.References,
			Expression: k.Expression(), Maps: k.Maps, Fix: k.Fix, Source: k.Source,
		})
	}
	return out
}

// evidenceLog shows the log as the API wants it. Log is nil where another node
// keeps it.
type evidenceLog struct {
	*evidence.Log
	carry func(context.Context) error
	home  string // the node that keeps it
}

func (l evidenceLog) elsewhere() error {
	if l.Log != nil {
		return nil
	}
	return fmt.Errorf("the evidence log is kept by the node %q; ask that one: %w", l.home, holdfast.ErrNotFound)
}

func (l evidenceLog) Checkpoint() (string, uint64, error) {
	if err := l.elsewhere(); err != nil {
		return "", 0, err
	}
	return l.Log.Checkpoint()
}

func (l evidenceLog) List(ctx context.Context, before uint64, limit int) ([]api.EvidenceEntry, error) {
	if err := errors.Join(l.elsewhere(), l.carry(ctx)); err != nil {
		return nil, err
	}
	list, err := l.Log.List(before, limit)
	out := make([]api.EvidenceEntry, len(list))
	for i, e := range list {
		out[i] = api.EvidenceEntry{Index: e.Index, Evidence: e.Evidence}
	}
	return out, err
}

func (l evidenceLog) Export(ctx context.Context, w io.Writer) error {
	if err := l.elsewhere(); err != nil {
		return err
	}
	return errors.Join(l.carry(ctx), l.Log.Export(w)) // what is in the log goes out in any case
}

// accountBook keeps users and tokens in the state.
type accountBook struct{ db *state.DB }

func (b accountBook) User(ctx context.Context, name string) (holdfast.User, error) {
	return b.db.Users().Get(ctx, name)
}

func (b accountBook) PutUser(ctx context.Context, u holdfast.User) error {
	return b.db.Users().Put(ctx, u)
}

func (b accountBook) Token(ctx context.Context, hash string) (holdfast.Token, error) {
	return b.db.TokenByHash(ctx, hash)
}

func (b accountBook) PutToken(ctx context.Context, t holdfast.Token) error {
	return b.db.Tokens().Put(ctx, t)
}

func (b accountBook) TakeToken(ctx context.Context, hash string) (holdfast.Token, error) {
	return b.db.TakeToken(ctx, hash)
}
