package spine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast"
	"holdfast/drill"
	"holdfast/store/state"
)

const detectPosition = "detect"

// alertsPosition is the newest block whose alerts are kept. It is ahead of
// detectPosition by what came since the state of correlation was last kept.
const alertsPosition = "alerts"

const (
	// alertsAtOnce are kept in one transaction, with those of the block that
	// reaches it. So many take a few tenths of a second, which is how long others
	// wait for their turn to write.
	alertsAtOnce = 2000
	// growthEvery is how long alerts wait at most that have only grown, where the ones
	// before have just been kept. In a flood every block makes some grow, and each is
	// written with all that it shows.
	growthEvery = time.Second
	// stagesKnown is how many alerts the duty knows to be kept without asking. Only
	// what is live in correlation comes again, and that is less.
	stagesKnown = 20_000
)

// detecting is the duty of turning blocks into alerts, and alerts into incidents and
// proposals. What the blocks of a while cause is kept in one transaction with the
// place of the last of them on the bus, and now and then the state of correlations,
// so a restart doubles nothing. The next blocks are looked at meanwhile.
type detecting struct {
	s     *Spine
	lease state.Lease
	kept  uint64 // the newest block whose alerts were kept before

	stories stories // of the one who keeps

	more, room chan struct{} // have room for one

	mu      sync.Mutex // held while a block is looked at
	pending batch
	flying  bool           // a batch is being kept
	calm    bool           // none was kept lately
	stages  map[string]int // of alerts that are kept; the one who keeps changes it, and reads it without the lock
}

func newDetecting(s *Spine, l state.Lease) *detecting {
	return &detecting{s: s, lease: l, stages: map[string]int{}, more: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// batch is what several blocks cause.
type batch struct {
	alerts []holdfast.Alert
	at     map[string]int // by id
	seq    uint64         // the newest block that was looked at
	due    bool           // somebody waits for one of the alerts, or they have waited long enough
}

// add takes in alerts, in place of what they were before.
func (b *batch) add(alerts []holdfast.Alert) {
	for _, a := range alerts {
		if i, there := b.at[a.ID]; there {
			b.alerts[i] = a
			continue
		}
		if b.at == nil {
			b.at = map[string]int{}
		}
		b.at[a.ID] = len(b.alerts)
		b.alerts = append(b.alerts, a)
	}
}

// detectDuty carries it. One node does so for all blocks: correlations need every
// event, in order.
func (s *Spine) detectDuty(ctx context.Context, l state.Lease) error {
	seq, snapshot, err := s.State.Position(ctx, detectPosition)
	if err != nil {
		return err
	}
	d := newDetecting(s, l)
	d.pending.seq = seq
	if d.kept, _, err = s.State.Position(ctx, alertsPosition); err != nil {
		return err
	}
	if snapshot == nil {
		snapshot = s.blank
	}
	if err := s.Detect.Restore(snapshot); err != nil {
		s.Log.Error("the state of correlations cannot be read; it begins anew", "error", err)
		if err := s.Detect.Restore(s.blank); err != nil {
			return err
		}
	}
	s.setDetected(seq)
	if err := s.loadExceptions(ctx); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return s.Bus.Consume(ctx, seq, func(seq uint64, b *holdfast.Block) error { return d.look(ctx, seq, b) })
	})
	g.Go(func() error { return d.keepAll(ctx) })
	g.Go(func() error {
		return s.every(ctx, 500*time.Millisecond, d.keepPlace)
	})
	g.Go(func() error {
		return s.every(ctx, growthEvery, d.keepGrowth)
	})
	err = g.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(err, s.keepPlaceNow(last, l))
}

// look is the bus's second reader: blocks to alerts.
func (d *detecting) look(ctx context.Context, seq uint64, b *holdfast.Block) error {
	for i := range b.Events {
		if id := b.Events[i].Drill; id != "" && id != ProbeDrill {
			d.s.saw(ctx, drill.SawEvent(&b.Events[i]))
		}
	}
	if err := d.lock(ctx); err != nil {
		return err
	}
	defer d.mu.Unlock()
	alerts := slices.DeleteFunc(d.s.Detect.Process(seq, b), func(a holdfast.Alert) bool { return a.Drill == ProbeDrill })
	d.pending.seq = seq
	if seq > d.kept {
		d.pending.add(alerts)
		full := len(d.pending.alerts) >= alertsAtOnce
		d.pending.due = d.pending.due || full || d.calm && len(alerts) > 0 || slices.ContainsFunc(alerts, d.urgent)
	}
	if len(d.pending.alerts) == 0 && !d.flying {
		d.s.setDetected(seq)
	}
	if d.pending.due {
		give(d.more)
	}
	return nil
}

// urgent reports whether an alert is to be kept at once: a new one, one at a new
// stage, and one that a drill waits for. What has only grown says no more than how
// much.
func (d *detecting) urgent(a holdfast.Alert) bool {
	stages, kept := d.stages[a.ID]
	return !kept || stages < len(a.Stages) || a.Drill != ""
}

// keepGrowth has alerts kept that have only grown. They go sooner along with one that
// is urgent.
func (d *detecting) keepGrowth(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.calm = len(d.pending.alerts) == 0 && !d.flying; !d.calm {
		d.pending.due = len(d.pending.alerts) > 0
		give(d.more)
	}
	return nil
}

// lock takes the lock once there is room for more alerts.
func (d *detecting) lock(ctx context.Context) error {
	for {
		d.mu.Lock()
		if len(d.pending.alerts) < alertsAtOnce {
			return nil
		}
		d.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.room:
		}
	}
}

func give(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// keepAll keeps what there is, again and again.
func (d *detecting) keepAll(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.more:
		}
		if err := d.keepDue(ctx); err != nil {
			return err
		}
	}
}

// keepDue keeps what is pending if it is due, and tries until it can be kept.
func (d *detecting) keepDue(ctx context.Context) error {
	b, snapshot, err := d.take()
	if err != nil || len(b.alerts) == 0 {
		return err
	}
	var incidents []holdfast.Incident
	for {
		if incidents, err = d.keep(ctx, b, snapshot); err == nil {
			break
		}
		d.stories = stories{} // it is not known how far they are true
		d.s.Log.Warn("alerts wait to be kept", "alerts", len(b.alerts), "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
	d.landed(b, snapshot)
	for _, x := range sights(b.alerts, incidents) {
		d.s.Drills.Saw(x)
	}
	return nil
}

// take takes what is pending once it is due, with the state of correlations as of
// its last block if that is due too.
func (d *detecting) take() (b batch, snapshot []byte, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.pending.due {
		return b, nil, nil
	}
	if d.s.snapshotDue() {
		if snapshot, err = d.s.Detect.Snapshot(); err != nil {
			return b, nil, err
		}
	}
	b, d.pending, d.flying, d.calm = d.pending, batch{seq: d.pending.seq}, true, false
	give(d.room)
	return b, snapshot, nil
}

func (d *detecting) keep(ctx context.Context, b batch, snapshot []byte) (incidents []holdfast.Incident, err error) {
	err = d.s.State.Tx(ctx, func(tx *state.Tx) error {
		if err := tx.Holds(ctx, d.lease); err != nil {
			return err
		}
		if incidents, err = d.s.triage(ctx, tx, &d.stories, b.alerts, d.stages); err != nil {
			return err
		}
		if d.s.Node != "" {
			if err := d.s.keepSights(ctx, tx, sights(b.alerts, incidents)...); err != nil {
				return err
			}
		}
		if err := tx.SetPosition(ctx, alertsPosition, b.seq, nil); err != nil || snapshot == nil {
			return err
		}
		return tx.SetPosition(ctx, detectPosition, b.seq, snapshot)
	})
	return incidents, err
}

// landed takes down that a batch is kept.
func (d *detecting) landed(b batch, snapshot []byte) {
	if snapshot != nil {
		d.s.snapshotKept(len(snapshot))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.stages) > stagesKnown {
		clear(d.stages)
	}
	for i := range b.alerts {
		d.stages[b.alerts[i].ID] = len(b.alerts[i].Stages)
	}
	d.flying = false
	if len(d.pending.alerts) == 0 {
		b.seq = d.pending.seq
	}
	d.s.setDetected(b.seq)
}

// The state of correlation is kept once a second, less often where it is large:
// 256 KiB a second are written at most. After a crash the blocks since then are
// looked at again for the state's sake; what alerts come out of them is kept
// already, and people may have closed them or their incident meanwhile.
const (
	snapshotEvery = time.Second
	snapshotBytes = 256 << 10 // a second
	snapshotMost  = 20 * time.Second
)

func (s *Spine) snapshotDue() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	since := s.Clock.Now().Sub(s.snapshotted)
	every := min(snapshotEvery+snapshotEvery*time.Duration(s.snapshotSize/snapshotBytes), snapshotMost)
	return since >= every || since < 0
}

func (s *Spine) snapshotKept(size int) {
	s.mu.Lock()
	s.snapshotted, s.snapshotSize = s.Clock.Now(), size
	s.mu.Unlock()
}

func (s *Spine) setDetected(seq uint64) {
	s.mu.Lock()
	s.detected = seq
	s.mu.Unlock()
}

// Detected is the newest block that was looked at by the rules, and whose alerts
// are kept.
func (s *Spine) Detected() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.detected
}

// keepPlace keeps the detector's place and state when no alert has done so
// lately, or is about to.
func (d *detecting) keepPlace(ctx context.Context) error {
	d.mu.Lock()
	busy := d.flying || len(d.pending.alerts) > 0
	d.mu.Unlock()
	if busy || !d.s.snapshotDue() {
		return nil
	}
	return d.s.keepPlaceNow(ctx, d.lease)
}

func (s *Spine) keepPlaceNow(ctx context.Context, l state.Lease) error {
	kept, _, err := s.State.Position(ctx, detectPosition)
	if err != nil || kept >= s.Detected() {
		return err // nothing new
	}
	snapshot, seq, err := s.Detect.SnapshotAt()
	if err != nil || seq == 0 || s.Detected() < seq {
		return err
	}
	err = s.State.Tx(ctx, func(tx *state.Tx) error {
		if err := tx.Holds(ctx, l); err != nil {
			return err
		}
		if now, _, err := tx.Position(ctx, detectPosition); err != nil || now >= seq {
			return err
		}
		return tx.SetPosition(ctx, detectPosition, seq, snapshot)
	})
	if err == nil {
		s.snapshotKept(len(snapshot))
	}
	return err
}
