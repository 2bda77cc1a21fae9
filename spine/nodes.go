package spine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/spine/health"
	"holdfast/store/state"
)

// Node is one of several that share the work, and until when it has said that it
// is there.
type Node struct {
	ID    string    `json:"id"`
	Roles []string  `json:"roles"`
	Seen  time.Time `json:"seen"`
	Here  bool      `json:"here"` // it answers for itself: this is the node that was asked
	Gone  bool      `json:"gone"`
}

const (
	nodeLease = "node:" // begins the names of leases by which nodes say that they are there
	nodeTime  = 30 * time.Second
	nodeRenew = nodeTime / 4
	// nodeForgotten is after how long nobody waits for a node any more.
	nodeForgotten = 30 * 24 * time.Hour
)

// beThere says that this node is there, until it ends. One that ends properly says
// so, and is missed by nobody; one that is cut off is. The lease is the node's, not
// that of one run, so that a node that was killed and started again is not missed.
func (s *Spine) beThere(ctx context.Context) error {
	name := nodeLease + strings.Join(s.Roles.names(), "+") + ":" + s.NodeID
	var held state.Lease
	var last time.Time
	take := func(ctx context.Context) (err error) {
		held, _, err = s.State.TakeLease(ctx, name, s.NodeID, nodeTime)
		now := time.Now() // monotonic: this is about a span
		s.mu.Lock()
		defer s.mu.Unlock()
		if err != nil || now.Sub(last) > nodeTime/2 {
			s.steady = now
		}
		if err == nil {
			last = now
		}
		return err
	}
	if err := take(ctx); err != nil && ctx.Err() == nil {
		s.Log.Warn("the loop", "error", err)
	}
	err := s.every(ctx, nodeRenew, take)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_ = s.State.DropLease(end, held) // else it is missed until it starts again
	return err
}

// Nodes lists those that share the work, without those that ended properly; none
// where a node is alone.
func (s *Spine) Nodes(ctx context.Context) ([]Node, error) {
	if s.Node == "" {
		return nil, nil
	}
	leases, now, err := s.State.Leases(ctx, nodeLease)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	long := !s.steady.IsZero() && time.Since(s.steady) > nodeTime // else the state may have been away, and all are late
	s.mu.Unlock()
	byID := map[string]Node{}
	for _, l := range leases {
		roles, id, ok := strings.Cut(strings.TrimPrefix(l.Name, nodeLease), ":")
		n := Node{ID: id, Roles: strings.Split(roles, "+"), Seen: l.Until.Add(-nodeTime), Here: id == s.NodeID, Gone: long && l.Until.Before(now)}
		if !ok || l.Until.Unix() <= 0 || now.Sub(n.Seen) > nodeForgotten {
			continue
		}
		if old, ok := byID[id]; !ok || old.Seen.Before(n.Seen) { // its roles may have changed
			byID[id] = n
		}
	}
	out := make([]Node, 0, len(byID))
	for _, n := range byID {
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b Node) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

// nodesGone are the nodes that were cut off.
func nodesGone(nodes []Node) []health.Trouble {
	var out []health.Trouble
	for _, n := range nodes {
		if !n.Gone {
			continue
		}
		out = append(out, health.Trouble{
			Kind: health.Node, Subject: n.ID, Since: n.Seen.Truncate(time.Second),
			What: fmt.Sprintf("the node %s (%s) is gone: it was last heard of %s, and did not end properly", n.ID, strings.Join(n.Roles, ", "), n.Seen.UTC().Format(time.RFC3339)),
			Do:   "see whether its machine runs and reaches the state; others carry its duties if they have the role; if it is gone for good, holdfast health mute --kind node '" + n.ID + "' --for 30d",
		})
	}
	return out
}

// seeLag looks how far the bus's readers are behind, on every node, so that each can
// be asked.
func (s *Spine) seeLag(ctx context.Context) error {
	last, _, err := s.Bus.Last(ctx)
	if err != nil {
		return err
	}
	written, _ := s.written(ctx)
	readers := s.well.lags.See(s.Clock.Now().UTC(), last, map[string]uint64{"rules": s.looked(ctx), "store": written})
	s.mu.Lock()
	s.well.readers = readers
	s.mu.Unlock()
	return nil
}

// behind is what seeLag saw last.
func (s *Spine) behind() []health.Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.well.readers)
}
