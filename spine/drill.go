package spine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast"
	"holdfast/drill"
	"holdfast/store/state"
)

// RunDrill starts a drill on this node; it goes on after this returns. Its events may
// come in, and be looked at, on any node.
func (s *Spine) RunDrill(ctx context.Context, who, kind, asset, incident string) (holdfast.Drill, error) {
	x, err := s.State.Assets().Get(ctx, asset)
	if err != nil {
		return holdfast.Drill{}, err
	}
	target, err := s.sshTarget(ctx, asset)
	if err != nil {
		return holdfast.Drill{}, err
	}
	d, done, err := s.Drills.Start(s.running, drill.Request{Kind: kind, Asset: x, Target: target, Incident: incident, By: who})
	if err != nil {
		return d, err
	}
	go func() {
		end := <-done
		last, cancel := context.WithTimeout(context.WithoutCancel(s.running), 5*time.Second)
		defer cancel()
		s.closeDrill(last, end)
	}()
	return d, nil
}

func (s *Spine) closeDrill(ctx context.Context, d holdfast.Drill) {
	if err := s.Respond.CloseDrill(ctx, d); err != nil && !errors.Is(err, holdfast.ErrNotFound) {
		s.Log.Warn("closing a drill's incident", "drill", d.ID, "error", err)
	}
}

func (s *Spine) drillAccount(ctx context.Context) (string, error) {
	names, err := s.names(ctx)
	if err != nil {
		return "", err
	}
	return names.drill.name(s.Clock.Now()), nil
}

// endDrills fails the drills that nobody watches any more: all that are kept as
// running, for a node alone that starts, else those that would be over.
func (s *Spine) endDrills(ctx context.Context, all bool) error {
	ended, err := s.Drills.Lost(ctx, all)
	for _, d := range ended {
		s.closeDrill(ctx, d)
	}
	return err
}

// saw tells the drill that an event is part of. Where it runs on another node, that
// is kept with the drill, once for each hop.
func (s *Spine) saw(ctx context.Context, x drill.Sight) {
	if s.Drills.Saw(x) || s.Node == "" {
		return
	}
	if d, err := s.State.Drills().Get(ctx, x.Drill); err == nil && !x.Add(&d, s.Clock.Now()) {
		return
	}
	err := s.State.Tx(ctx, func(tx *state.Tx) error { return s.keepSights(ctx, tx, x) })
	if err != nil && ctx.Err() == nil {
		s.Log.Warn("an event of a drill", "drill", x.Drill, "error", err)
	}
}

// keepSights keeps what was seen of drills with them, for the nodes that run them.
func (s *Spine) keepSights(ctx context.Context, tx *state.Tx, list ...drill.Sight) error {
	for _, x := range list {
		d, err := tx.Drills().Get(ctx, x.Drill)
		if errors.Is(err, holdfast.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if x.Add(&d, s.Clock.Now()) {
			if err := tx.Drills().Put(ctx, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// sights are what alerts and their incidents tell of drills.
func sights(alerts []holdfast.Alert, incidents []holdfast.Incident) (out []drill.Sight) {
	for i := range alerts {
		if alerts[i].Drill != "" {
			out = append(out, drill.SawAlert(&alerts[i]))
		}
	}
	for i := range incidents {
		if incidents[i].Drill != "" {
			out = append(out, drill.SawIncident(&incidents[i]))
		}
	}
	return out
}

// hearDrills learns what other nodes have seen of the drills that run here.
func (s *Spine) hearDrills(ctx context.Context) error {
	list, err := drills{s}.RunningDrills(ctx)
	for _, d := range list {
		s.Drills.Heard(d)
	}
	return err
}

// drills is drill's view of the state.
type drills struct{ s *Spine }

func (d drills) SaveDrill(ctx context.Context, x holdfast.Drill) error {
	return d.s.State.Tx(ctx, func(tx *state.Tx) error {
		if x.Status == holdfast.DrillRunning {
			others, err := tx.Drills().All(ctx, map[string]string{"status": holdfast.DrillRunning, "asset": x.Asset})
			if err != nil {
				return err
			}
			if len(others) > 0 {
				return fmt.Errorf("drill %s runs on %s now; wait until it is over: %w", others[0].ID, x.Asset, holdfast.ErrConflict)
			}
		}
		if err := tx.Drills().Put(ctx, x); err != nil {
			return err
		}
		return tx.Record(ctx, holdfast.Evidence{
			Key: holdfast.StableID("evd", x.ID, x.Status), At: d.s.Clock.Now().UTC(), Who: "user:" + x.By, Did: "drill.run", On: x.ID, Asset: x.Asset,
			Outcome: x.Status + ": " + x.Kind + " " + x.Why,
		})
	})
}

func (d drills) RunningDrills(ctx context.Context) ([]holdfast.Drill, error) {
	return d.s.State.Drills().All(ctx, map[string]string{"status": holdfast.DrillRunning})
}
