package spine

import (
	"context"
	"errors"
	"fmt"

	"holdfast"
	"holdfast/hunt"
	"holdfast/query"
	"holdfast/store/state"
)

// takeHunts begins hunts again whose node is gone: those that have been silent, or
// all that do not run here, where there is no other node.
func (s *Spine) takeHunts(ctx context.Context, all bool) error {
	list, err := s.State.Hunts().All(ctx, map[string]string{"status": holdfast.HuntRunning})
	if err != nil {
		return err
	}
	for _, h := range list {
		if !s.hunts.here(h.ID) && (all || s.silent(&h)) {
			err = errors.Join(err, s.takeHunt(ctx, h.ID, all))
		}
	}
	return err
}

func (s *Spine) silent(h *holdfast.Hunt) bool { return s.Clock.Now().Sub(h.Updated) >= huntSilent }

// takeHunt begins one again, from its start, or says why not.
func (s *Spine) takeHunt(ctx context.Context, id string, all bool) error {
	run, cancel := context.WithTimeout(s.running, huntTimeout)
	if !s.hunts.add(id, cancel) {
		cancel()
		return nil // another node may have a place, or this one in a while
	}
	h, p, parts, err := s.takeOver(ctx, id, all)
	if err != nil || p == nil {
		s.hunts.end(id)
		return err
	}
	s.Log.Info("a hunt whose server is gone is begun again", "hunt", id, "again", h.Again)
	s.goHunt(run, h, p, parts)
	return nil
}

// takeOver makes a hunt this node's. There is no prey if another one was faster, or
// if the hunt has ended with that.
func (s *Spine) takeOver(ctx context.Context, id string, all bool) (h holdfast.Hunt, p *prey, parts []query.Range, err error) {
	if h, err = s.State.Hunts().Get(ctx, id); err != nil {
		return h, nil, nil, err
	}
	next := holdfast.Hunt{ID: h.ID, From: h.From, To: h.To, By: h.By, Started: h.Started, Updated: s.Clock.Now().UTC(), Status: h.Status, Raw: h.Raw, Again: h.Again + 1}
	ended := h
	ended.Status = holdfast.HuntFailed
	ask, err := s.State.HuntAsks().Get(ctx, id)
	switch {
	case h.Cancel != "":
		ended.Status = holdfast.HuntCancelled
	case errors.Is(err, holdfast.ErrNotFound): // of a version that kept none
		ended.Error = "the server that ran it is gone; hunt again"
	case err != nil:
		return h, nil, nil, err
	case h.Again >= huntAgain:
		ended.Error = fmt.Sprintf("the server that ran it was gone, %d times; hunt again, over a shorter time", next.Again)
	default:
		p, err = s.prey(&next, HuntRequest{Rule: ask.Rule, Text: ask.Text, List: ask.List, Name: ask.Name, From: h.From, To: h.To, Raw: h.Raw, SkipFaults: ask.SkipFaults})
		if err != nil {
			p, ended.Error = nil, fmt.Sprintf("the server that ran it is gone, and it cannot be begun again: %v", err)
			break
		}
		segs, err := s.State.Segments(ctx, h.From, h.To)
		if err != nil {
			return h, nil, nil, err
		}
		parts = hunt.Parts(segs, query.Range{From: h.From, To: h.To})
		next.Parts = len(parts)
	}
	taken := false
	err = s.State.Tx(ctx, func(tx *state.Tx) error {
		taken = false
		now, err := tx.Hunts().Get(ctx, id)
		if err != nil || now.Status != holdfast.HuntRunning || now.Again != h.Again || now.Cancel != h.Cancel || !all && !s.silent(&now) {
			return err
		}
		if taken = p != nil; taken {
			return tx.Hunts().Put(ctx, next)
		}
		return s.endHunt(ctx, tx, ended)
	})
	if err != nil || !taken {
		return h, nil, nil, err
	}
	return next, p, parts, nil
}
