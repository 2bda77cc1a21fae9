package events

import "context"

// Succeed is the store for a node that writes from now on in the place of
// another. The manifest refuses what that one may still try to commit, so its
// files that are in no manifest are litter, and are removed. The mark ends the
// names of segments, so that no file has one that the predecessor may still
// give. Searches may go on with either.
func (s *Store) Succeed(ctx context.Context, m Manifest, mark string) (*Store, error) {
	next := &Store{dir: s.dir, manifest: m, clock: s.clock, log: s.log, db: s.db, far: s.far, mark: mark, rate: s.rate, reserve: s.reserve, step: s.step, turns: s.turns, bus: s.bus, broken: s.broken, encoders: newEncoders(), counted: map[string]counts{}, counts: s.counts, looked: s.looked}
	if s.far != nil {
		return next, nil // the writer ends what its predecessor left
	}
	return next, next.sweep(ctx)
}
