package engine

import (
	"encoding/binary"
	"slices"
	"unsafe"

	"holdfast"
)

// subject is one event while it is matched, with what was worked out about it.
// It is used again for the next event; nothing of it may be kept.
type subject struct {
	event  *holdfast.Event
	view   *view
	folded []folded // by field index
	first  []int32  // by slot: the first field of the name, plus one
	next   []int32  // by field index: the next field of the name, plus one
	slots  []int32  // by field index: the slot, or -1
	shape  []named  // the fields of the event before
	buf    []byte   // holds folded texts
	grams  []grams  // of long texts

	known []uint32 // by predicate: epoch and answer
	epoch uint32

	marked []uint64 // candidates, a bit for each rule of the view

	rawLow string
}

// folded is a folded text. The zero value is one not worked out yet.
type folded struct {
	low   string
	done  bool
	plain bool  // all of it is ASCII
	grams int32 // which of the subject's, plus one; none if 0
}

// named is a field's name and its slot.
type named struct {
	name string
	slot int32
}

// begin takes an event up.
func (s *subject) begin(ev *holdfast.Event) {
	s.event = ev
	n := len(ev.Fields)
	if cap(s.folded) < n {
		s.folded, s.next, s.slots = make([]folded, n), make([]int32, n), make([]int32, n)
	}
	s.folded, s.next, s.slots = s.folded[:n], s.next[:n], s.slots[:n]
	for len(s.shape) < n {
		s.shape = append(s.shape, named{slot: -1})
	}
	s.buf, s.grams = s.buf[:0], s.grams[:0]
	if s.epoch++; s.epoch >= 1<<31 {
		clear(s.known)
		s.epoch = 1
	}
	for i := n - 1; i >= 0; i-- { // from the end, so that lists are in order
		s.folded[i].done = false
		// Events of a kind have the same fields in the same order, mostly.
		x := &s.shape[i]
		if name := ev.Fields[i].Name; !same(x.name, name) && x.name != name {
			slot, ok := s.view.names[name]
			if !ok {
				slot = -1
			}
			x.name, x.slot = name, slot
		}
		slot := x.slot
		s.slots[i] = slot
		if slot >= 0 {
			s.next[i] = s.first[slot]
			s.first[slot] = int32(i) + 1
		}
	}
}

// same reports whether two texts are the same bytes in memory. Names of fields
// mostly are, as parsers keep them.
func same(a, b string) bool {
	return len(a) == len(b) && unsafe.StringData(a) == unsafe.StringData(b) //nolint:gosec // compared, not read
}

// end lets go of the event.
func (s *subject) end() {
	for _, slot := range s.slots {
		if slot >= 0 {
			s.first[slot] = 0
		}
	}
	clear(s.folded)
	s.event, s.rawLow = nil, ""
}

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

// fold is the function fold into the subject's own memory, eight bytes of ASCII
// at a time. It reports whether all of the text is ASCII.
func (s *subject) fold(text string) (low string, plain bool) {
	const (
		ones = 0x0101010101010101
		high = 0x80 * ones
	)
	start := len(s.buf)
	s.buf = slices.Grow(s.buf, len(text)+8)
	out := s.buf[start : start+len(text)]
	in := unsafe.Slice(unsafe.StringData(text), len(text)) //nolint:gosec // read only
	seen := uint64(0)
	eight := func(i int) {
		x := binary.LittleEndian.Uint64(in[i:])
		seen |= x
		upper := (x + (0x80-'A')*ones) &^ (x + (0x80-'Z'-1)*ones) & high
		binary.LittleEndian.PutUint64(out[i:], x|upper>>2)
	}
	if len(in) < 8 {
		for i, c := range in {
			seen |= uint64(c)
			if c-'A' < 26 {
				c += 'a' - 'A'
			}
			out[i] = c
		}
	} else {
		for i := 0; i+8 <= len(in); i += 8 {
			eight(i)
		}
		eight(len(in) - 8)
	}
	if seen&high != 0 {
		return s.foldWide(text), false
	}
	s.buf = s.buf[:start+len(text)]
	return unsafe.String(unsafe.SliceData(out), len(out)), true //nolint:gosec // nobody writes there until the event ends
}

// foldWide is fold for a text that is not ASCII alone.
func (s *subject) foldWide(text string) string {
	start := len(s.buf)
	for i := 0; i < len(text); {
		if c := text[i]; c < 0x80 {
			if c-'A' < 26 {
				c += 'a' - 'A'
			}
			s.buf = append(s.buf, c)
			i++
			continue
		}
		var n int
		s.buf, n = appendFolded(s.buf, text[i:])
		i += n
	}
	b := s.buf[start:]
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // nobody writes there until the event ends
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
	for i, slot := range s.slots {
		if slot >= 0 && s.event.Fields[i].Kind != holdfast.Null {
			for _, f := range v.scan[slot] {
				t := s.text(i)
				f.find(t.low, t.plain, s.marked)
			}
		}
	}
	if v.keywords != nil && s.mayHaveKeyword() {
		for i := range s.slots {
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
	unfolded := len(in.few) == 0 && in.brief == nil && len(in.runs.list) > 0
	for i := range s.folded {
		t := &s.folded[i]
		if t.done && (t.plain || narrow) {
			continue
		}
		text := s.event.Fields[i].Text
		if unfolded && narrow && len(text) < in.runs.shortest() {
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
