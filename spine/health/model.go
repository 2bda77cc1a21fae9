package health

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast"
)

const (
	// maxSources bounds what is known; the one that was silent for longest goes
	// for a new one.
	maxSources  = 5000
	maxDatasets = 16 // of one source
	maxWatched  = 20_000
	// forgotten is after how long nobody waits for a source any more.
	forgotten = 30 * 24 * time.Hour
)

// Model is what is known of the sources. Its methods may run at the same time.
type Model struct {
	mu       sync.Mutex
	limits   Limits
	seq      uint64
	sources  map[string]*source
	datasets map[string]*dataset
	disk     forecast
	block    uint64 // counts blocks, for what is touched once in each
	touched  []*source
	names    map[string]*source // by all the names that blocks have for them
	heard    heard
}

// heard is how far the bus was counted at the last look, and whether there was
// more.
type heard struct {
	at   time.Time
	seq  uint64
	more bool
}

type source struct {
	Name     string    `json:"name"`
	Asset    string    `json:"asset,omitempty"`
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Events   uint64    `json:"events"`
	Dead     uint64    `json:"dead,omitempty"`
	Rhythm   Rhythm    `json:"rhythm"`
	Clock    skew      `json:"clock,omitzero"`
	Parse    parsing   `json:"parse,omitzero"`
	Datasets []given   `json:"datasets,omitempty"`
	// Away is how long nobody listened, since Last.
	Away time.Duration `json:"away,omitempty"`

	block uint64
}

// given is a dataset that a source gives.
type given struct {
	Name string    `json:"name"`
	Last time.Time `json:"last"`
}

// New returns a Model that knows nothing.
func New(l Limits) *Model {
	m := &Model{limits: l}
	m.clear()
	return m
}

func (m *Model) clear() {
	m.sources, m.datasets, m.names = map[string]*source{}, map[string]*dataset{}, map[string]*source{}
	m.seq, m.disk, m.heard = 0, forecast{}, heard{}
}

// dated is what is taken for a date, or a time, in the name of a file: files
// that have one come and go, and are one source to the rhythm.
var dated = regexp.MustCompile(`(19|20)\d\d[-_.]?\d\d([-_.]?\d\d)?([-_.T]?\d{2,6}Z?)?|\d{8,}`)

// Family is the name under which a source is known: files that tell apart only
// dates in their names are one.
func Family(source string) string {
	at := strings.Index(source, "file:")
	if at < 0 {
		return source
	}
	return source[:at] + dated.ReplaceAllString(source[at:], "*")
}

// Observe counts a block. It is called for every block in turn; one that was
// counted before is passed over. Of what it is given it keeps only names.
func (m *Model) Observe(seq uint64, b *holdfast.Block) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if seq != 0 && seq <= m.seq {
		return
	}
	m.seq = max(m.seq, seq)
	if strings.HasPrefix(b.ID, holdfast.ReparseBlock) {
		return // nothing came in
	}
	m.block++
	m.touched = m.touched[:0]
	var src *source
	var ds *dataset
	name, kind := "", ""
	for i := range b.Events {
		e := &b.Events[i]
		if src == nil || e.Source != name {
			name = e.Source
			src = m.source(e, b.Made)
		}
		if ds == nil || e.Dataset != kind {
			kind = e.Dataset
			ds = m.dataset(kind)
		}
		src.count(e, b.Made)
		if ds.watched() {
			ds.look(e, b.Made, m.block)
		}
	}
	for _, s := range m.touched {
		s.arrive(b.Made)
	}
}

// Listen is told now and then which block is the newest. Time in which there are
// blocks and none is counted, as their reader cannot go on, is nobody's silence.
func (m *Model) Listen(now time.Time, newest uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	more := m.seq < newest
	if d := now.Sub(m.heard.at); more && m.heard.more && m.seq == m.heard.seq && d > 0 {
		for _, s := range m.sources {
			s.Away += d
		}
	}
	m.heard = heard{now, m.seq, more}
}

func (m *Model) source(e *holdfast.Event, now time.Time) *source {
	s := m.names[e.Source]
	if s == nil {
		s = m.named(e, now)
	}
	if s.block != m.block {
		s.block = m.block
		m.touched = append(m.touched, s)
	}
	return s
}

func (m *Model) named(e *holdfast.Event, now time.Time) *source {
	family := strings.Clone(Family(e.Source))
	s := m.sources[family]
	if s == nil {
		if len(m.sources) >= maxSources {
			m.forgetOldest()
		}
		if len(m.sources) >= 2*maxSources { // one block alone has named as many
			return &source{Name: family}
		}
		s = &source{Name: family, Asset: strings.Clone(e.Asset), First: now}
		m.sources[family] = s
	}
	if len(m.names) >= 4*maxSources {
		clear(m.names)
	}
	m.names[strings.Clone(e.Source)] = s
	return s
}

// forgetOldest makes room, for some at once.
func (m *Model) forgetOldest() {
	all := slices.Collect(maps.Values(m.sources))
	slices.SortFunc(all, func(a, b *source) int { return a.Last.Compare(b.Last) })
	for _, s := range all[:maxSources/20] {
		if s.block != m.block {
			delete(m.sources, s.Name)
		}
	}
	clear(m.names)
}

func (s *source) count(e *holdfast.Event, now time.Time) {
	s.Events++
	if e.Dataset == holdfast.DeadLetter {
		s.Dead++
		s.Parse.dead++
	} else {
		s.Clock.count(now.Sub(e.Time), e.Trouble)
	}
	s.Parse.events++
	for i := range s.Datasets {
		if s.Datasets[i].Name == e.Dataset {
			s.Datasets[i].Last = now
			return
		}
	}
	if e.Dataset == holdfast.DeadLetter {
		return
	}
	if len(s.Datasets) >= maxDatasets {
		slices.SortFunc(s.Datasets, func(a, b given) int { return b.Last.Compare(a.Last) })
		s.Datasets = s.Datasets[:maxDatasets-1]
	}
	s.Datasets = append(s.Datasets, given{strings.Clone(e.Dataset), now})
}

func (s *source) arrive(now time.Time) {
	last := s.Last
	if !last.IsZero() {
		last = last.Add(s.Away)
	}
	s.Rhythm.arrive(last, now)
	s.Away = 0
	if now.After(s.Last) {
		s.Last = now
	}
}

// quiet returns how long the source may be silent, and whether that is known.
func (s *source) quiet(l *Limits, now time.Time) (usual, most time.Duration, ok bool) {
	if most, ok := ruleFor(l.Sources, s.Name); ok {
		return 0, most, most != Never
	}
	if usual, ok = s.Rhythm.usual(s.Last, now); !ok {
		return 0, 0, false
	}
	return usual, limit(usual, l.Quiet), true
}

// Judge returns all that is wrong with sources and fields, and the disk, as of
// now.
func (m *Model) Judge(now time.Time) []Trouble {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Trouble
	for name, s := range m.sources {
		silent := now.Sub(s.Last) - s.Away
		if silent > forgotten {
			delete(m.sources, name)
			clear(m.names)
			continue
		}
		if usual, most, ok := s.quiet(&m.limits, now); ok && silent > most {
			out = append(out, s.isQuiet(usual, most))
		}
		if t, ok := s.Clock.judge(now, &m.limits); ok {
			t.Subject, t.Source, t.Asset = s.Name, s.Name, s.Asset
			out = append(out, t)
		}
		if t, ok := s.Parse.judge(now, &m.limits); ok {
			t.Subject, t.Source, t.Asset = s.Name, s.Name, s.Asset
			out = append(out, t)
		}
	}
	for name, d := range m.datasets {
		out = append(out, d.judge(name, now, m.limits.Fields)...)
	}
	if t, ok := m.disk.judge(now, &m.limits); ok {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b Trouble) int { return strings.Compare(a.Key(), b.Key()) })
	return out
}

func (s *source) isQuiet(usual, most time.Duration) Trouble {
	why := fmt.Sprintf("it is silent for %s at most at this time of the week", about(usual))
	if usual == 0 {
		why = fmt.Sprintf("the settings want something every %s", about(most))
	}
	return Trouble{
		Kind: Quiet, Subject: s.Name, Source: s.Name, Asset: s.Asset, Since: s.Last,
		What: fmt.Sprintf("%s has gone quiet: nothing came since %s, and %s", s.Name, s.Last.UTC().Format(time.RFC3339), why),
		Do:   "see whether the sender runs and reaches this server; if it is meant to be quiet, holdfast health mute '" + s.Name + "'",
	}
}

// Sources lists what is known, by name.
func (m *Model) Sources(now time.Time) []Source {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]Source, 0, len(m.sources))
	for _, s := range m.sources {
		x := Source{Source: s.Name, Asset: s.Asset, First: s.First, Last: s.Last, Events: s.Events, Dead: s.Dead, Rhythm: s.Rhythm.words(), Delay: s.Clock.Delay, Datasets: []string{}}
		usual, most, ok := s.quiet(&m.limits, now)
		if ok {
			x.Usual, x.Limit = usual.Seconds(), most.Seconds()
		}
		if _, set := ruleFor(m.limits.Sources, s.Name); set {
			x.Rhythm = "something every " + about(most) + ", by the settings"
			if most == Never {
				x.Rhythm = "never missed, by the settings"
			}
		}
		for _, d := range s.Datasets {
			if s.Last.Sub(d.Last) < forgotten {
				x.Datasets = append(x.Datasets, d.Name)
			}
		}
		slices.Sort(x.Datasets)
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b Source) int { return strings.Compare(a.Source, b.Source) })
	return out
}

type snapshot struct {
	Version  int                 `json:"version"`
	At       time.Time           `json:"at"`
	Sources  []*source           `json:"sources"`
	Datasets map[string]*dataset `json:"datasets"`
	Disk     forecast            `json:"disk"`
	Troubles []Trouble           `json:"troubles"`
}

const snapshotVersion = 1

// Snapshot writes what is known, and the number of the newest block in it;
// troubles are those that were found last, for nodes that do not judge.
func (m *Model) Snapshot(now time.Time, troubles []Trouble) ([]byte, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := snapshot{Version: snapshotVersion, At: now, Datasets: m.datasets, Disk: m.disk, Troubles: troubles}
	for _, x := range m.sources {
		s.Sources = append(s.Sources, x)
	}
	slices.SortFunc(s.Sources, func(a, b *source) int { return strings.Compare(a.Name, b.Name) })
	b, err := json.Marshal(s)
	return b, m.seq, err
}

// Restore reads what Snapshot wrote, in place of what is known. The time since
// then is nobody's silence: nobody listened. Damage leaves the model empty and
// gives an error that wraps holdfast.ErrInvalid.
func (m *Model) Restore(b []byte, seq uint64, now time.Time) ([]Trouble, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clear()
	if len(b) == 0 {
		return nil, nil
	}
	var s snapshot
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("read the state of health: %w: %w", holdfast.ErrInvalid, err)
	}
	if s.Version != snapshotVersion {
		return nil, fmt.Errorf("the state of health has version %d, this program reads %d: %w", s.Version, snapshotVersion, holdfast.ErrInvalid)
	}
	away := max(now.Sub(s.At), 0)
	told := map[string]bool{}
	for _, t := range s.Troubles {
		told[t.Key()] = true
	}
	for _, x := range s.Sources {
		if x == nil || len(m.sources) >= maxSources || x.Rhythm.Slots != nil && len(x.Rhythm.Slots) != week {
			continue
		}
		if !told[Quiet+":"+x.Name] { // what was told goes on
			x.Away += away
		}
		m.sources[x.Name] = x
	}
	for name, d := range s.Datasets {
		if d != nil {
			m.datasets[name] = d
		}
	}
	m.seq, m.disk = seq, s.Disk
	m.disk.bound()
	return s.Troubles, nil
}
