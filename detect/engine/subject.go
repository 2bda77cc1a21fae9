package engine

import (
	"unsafe"

	"holdfast"
)

// subject is one event while it is matched, with what was worked out about it.
// It is used again for the next event; nothing of it may be kept.
type subject struct {
	event  *holdfast.Event
	view   *view
	plan   *plan
	first  []int32  // of the plan
	next   []int32  // of the plan
	folded []folded // by field index
	buf    []byte   // holds folded texts
	odd    []int32  // where in what was folded at once eight bytes are not all ASCII
	grams  []grams  // of long texts

	known []uint32 // by predicate: epoch and answer
	epoch uint32

	marked []uint64 // candidates, a bit for each rule of the view

	rawLow string

	held    []held
	because []holdfast.Predicate // of all that hold, one after the other

	plans [plans]plan
}

// folded is a folded text. The zero value is one not worked out yet.
type folded struct {
	low   string
	done  bool
	plain bool  // all of it is ASCII
	grams int32 // which of the subject's, plus one; none if 0
}

// begin takes an event up.
func (s *subject) begin(ev *holdfast.Event) {
	s.event = ev
	n := len(ev.Fields)
	s.plan = s.planOf(ev.Fields)
	s.first, s.next = s.plan.first, s.plan.next
	if cap(s.folded) < n {
		s.folded = make([]folded, n)
	}
	s.folded = s.folded[:n]
	s.buf, s.grams = s.buf[:0], s.grams[:0]
	if s.epoch++; s.epoch >= 1<<31 {
		clear(s.known)
		s.epoch = 1
	}
	s.foldAll()
}

// end lets go of the event.
func (s *subject) end() { s.event, s.rawLow = nil, "" }

// lower returns the folded text of a field, valid until the event ends.
func (s *subject) lower(i int) string { return s.text(i).low }

func (s *subject) text(i int) *folded {
	t := &s.folded[i]
	if !t.done {
		t.low, t.plain = s.fold(s.event.Fields[i].Text)
		t.done, t.grams = true, 0
	}
	return t
}

// rawText is the record itself, valid until the event ends.
func (s *subject) rawText() string {
	return unsafe.String(unsafe.SliceData(s.event.Raw), len(s.event.Raw)) //nolint:gosec // nobody writes to a record
}

func (s *subject) rawLower() string {
	if s.rawLow == "" {
		s.rawLow, _ = s.fold(s.rawText())
	}
	return s.rawLow
}

// each calls f with the index of every value of a field until f returns true,
// and returns whether it did. The name as the source has it goes first; then,
// for an ECS name or an alias, the dataset's own names for it.
func (s *subject) each(slot int32, f func(i int) bool) bool {
	if i := s.first[slot]; i != 0 {
		return s.eachOf(i, f)
	}
	for _, n := range s.view.native[slot] {
		if s.eachOf(s.first[n], f) {
			return true
		}
	}
	return false
}

func (s *subject) eachOf(i int32, f func(i int) bool) bool {
	for ; i != 0; i = s.next[i-1] {
		if f(int(i - 1)) {
			return true
		}
	}
	return false
}

// candidates marks the rules that may hold.
func (s *subject) candidates() {
	v := s.view
	copy(s.marked, v.always)
	for _, x := range s.plan.scans {
		if s.event.Fields[x.field].Kind != holdfast.Null {
			t := s.text(int(x.field))
			x.index.find(t.low, t.plain, s.marked)
		}
	}
	if v.keywords != nil && s.mayHaveKeyword() {
		for i := range s.folded {
			t := s.text(i)
			v.keywords.find(t.low, t.plain, s.marked)
		}
	}
	if v.keywords != nil && !v.whole {
		v.keywords.find(s.rawLower(), false, s.marked)
	}
}

// mayHaveKeyword reports whether there is a witness of a keyword anywhere in the
// event's texts; hardly ever there is. Those that were folded lie side by side
// and are looked through at once; of the others those of ASCII as they are.
func (s *subject) mayHaveKeyword() bool {
	k := s.view.keywords
	in := &k.inside
	if k.whole.lengths|uint64(k.starts.sizes|k.ends.sizes) != 0 {
		return true
	}
	if len(s.buf) > 0 && k.within(in, unsafe.String(unsafe.SliceData(s.buf), len(s.buf)), nil) { //nolint:gosec // read only
		return true
	}
	narrow := k.wide.none()
	unfolded := len(in.few) == 0 && in.tiny == nil && in.brief == nil && len(in.runs.list) > 0
	for i := range s.folded {
		t := &s.folded[i]
		if t.done && (t.plain || narrow) {
			continue
		}
		text := s.event.Fields[i].Text
		if unfolded && narrow && len(text) < in.runs.least {
			continue
		}
		if unfolded && (ascii(text) || narrow && nearASCII(text)) {
			if at, _, _ := in.runs.next(text, 0); at < 0 {
				continue
			}
		}
		if t = s.text(i); k.within(in, t.low, nil) || !t.plain && !narrow {
			return true
		}
	}
	return false
}

// nearASCII reports whether a text has no character beyond ASCII that folds to
// one in ASCII (Unicode, CaseFolding.txt: U+0130, U+017F and U+212A), by the
// bytes that those begin with.
func nearASCII(text string) bool {
	for i := range len(text) {
		switch text[i] {
		case 0xc4, 0xc5, 0xe2:
			return false
		}
	}
	return true
}
