package engine

import (
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"holdfast"
	"holdfast/detect/sigma"
)

func (x *search) holds(s *subject) bool { return x.eval(x.condition, s) }

func (x *search) eval(e sigma.Expr, s *subject) bool {
	switch e := e.(type) {
	case sigma.And:
		return x.eval(e.Left, s) && x.eval(e.Right, s)
	case sigma.Or:
		return x.eval(e.Left, s) || x.eval(e.Right, s)
	case sigma.Not:
		return !x.eval(e.X, s)
	case sigma.Ref:
		return x.selections[e.Selection].clause(s) >= 0
	case sigma.Of:
		held := 0
		for i, sel := range e.Selections {
			if x.selections[sel].clause(s) >= 0 {
				held++
			}
			if held >= e.Least || held+len(e.Selections)-i-1 < e.Least {
				break
			}
		}
		return held >= e.Least
	}
	return false
}

// clause returns the index of the first clause that holds, or -1.
func (sel *selection) clause(s *subject) int {
next:
	for i, c := range sel.clauses {
		for _, p := range c {
			if !p.holds(s) {
				continue next
			}
		}
		return i
	}
	return -1
}

// holds is decide, worked out once for an event.
func (p *predicate) holds(s *subject) bool {
	if n := s.view.numbers[p.number]; n != 0 {
		return s.holds(n - 1)
	}
	return p.decide(s)
}

func (p *predicate) decide(s *subject) bool {
	if p.among != nil {
		held := p.isAmong(s)
		for i := 0; i < len(p.rest) && !held; i++ {
			held, _ = p.try(&p.tests[p.rest[i]], s)
		}
		return held != p.negated
	}
	held := p.all
	for i := range p.tests {
		ok, _ := p.try(&p.tests[i], s)
		if ok != p.all {
			held = !p.all
			break
		}
	}
	return held != p.negated
}

// isAmong reports whether a value of the field has one of the listed texts.
func (p *predicate) isAmong(s *subject) bool {
	return s.each(p.slot, func(i int) bool {
		if s.event.Fields[i].Kind == holdfast.Null {
			return false
		}
		t := s.text(i)
		return p.among.find(t.low, t.plain, nil)
	})
}

// listed returns which tests of an index's hold, a bit for each; nil if there is
// no index, or no room.
func (p *predicate) listed(s *subject, room []uint64) []uint64 {
	if p.among == nil || len(p.tests) > 64*len(room) {
		return nil
	}
	s.each(p.slot, func(i int) bool {
		if s.event.Fields[i].Kind != holdfast.Null {
			t := s.text(i)
			p.among.find(t.low, t.plain, room)
		}
		return false
	})
	return room
}

// try reports whether one value holds, and for which text of the event.
func (p *predicate) try(t *test, s *subject) (bool, string) {
	if p.field == "" {
		return p.keyword(t, s)
	}
	if p.op == sigma.Exists {
		there := s.each(p.slot, func(int) bool { return true })
		return there == t.exists, strconv.FormatBool(there)
	}
	if t.null {
		return !s.each(p.slot, func(i int) bool { return s.event.Fields[i].Kind != holdfast.Null }), ""
	}
	var got string
	ok := s.each(p.slot, func(i int) bool {
		if s.event.Fields[i].Kind == holdfast.Null || !p.compare(t, s, i) {
			return false
		}
		got = s.event.Fields[i].Text
		return true
	})
	return ok, got
}

func (p *predicate) keyword(t *test, s *subject) (bool, string) {
	for i := range s.event.Fields {
		if p.compare(t, s, i) {
			return true, s.event.Fields[i].Text
		}
	}
	if s.view.whole {
		return false, ""
	}
	raw := s.rawText()
	if t.re != nil {
		return t.re.MatchString(raw), raw
	}
	if !p.cased {
		return t.glob(s.rawLower()), raw
	}
	return t.glob(raw), raw
}

func (t *test) glob(s string) bool {
	for i := range t.globs {
		if t.globs[i].match(s) {
			return true
		}
	}
	return false
}

func (p *predicate) compare(t *test, s *subject, i int) bool {
	text := s.event.Fields[i].Text
	switch {
	case p.ref:
		return p.compareField(t, s, i)
	case p.part != sigma.Whole:
		n, ok := timePart(text, p.part)
		return ok && ordered(p.op, n, t.number)
	}
	switch p.op {
	case sigma.Regex:
		if t.asked && !s.may(i, &t.asks) {
			return false
		}
		var g *grams
		if t.window != nil && t.window.either != nil {
			g = s.gramsOf(i)
		}
		return t.matches(s.text(i), g, text)
	case sigma.CIDR:
		if !likeAddress(text) {
			return false
		}
		a, err := netip.ParseAddr(text)
		return err == nil && t.net.Contains(a.Unmap().WithZone(""))
	case sigma.Less, sigma.LessEqual, sigma.Greater, sigma.GreaterEqual:
		if text == "" || text[0] > '9' && text[0]|0x20 != 'i' { // Inf
			return false
		}
		n, err := strconv.ParseFloat(text, 64)
		return err == nil && !math.IsNaN(n) && ordered(p.op, n, t.number)
	}
	if p.cased {
		return t.glob(text)
	}
	low := s.lower(i)
	for j := range t.globs {
		if g := &t.globs[j]; (!g.asked || s.may(i, &g.asks)) && g.match(low) {
			return true
		}
	}
	return false
}

// matches reports whether an expression matches a text, of which low is the
// folded one, and g are its pairs, if they are known.
func (t *test) matches(low *folded, g *grams, s string) bool {
	if !strings.Contains(low.low, t.needs) {
		return false
	}
	if w := t.window; w != nil && low.plain && (!w.line || !strings.Contains(s, "\n")) {
		if in := w.in(s, g); w.exact || !in {
			return in
		}
	}
	return t.re.MatchString(s)
}

// likeAddress keeps what is no address from netip, whose errors take memory.
func likeAddress(text string) bool {
	dots, colons, octet := 0, 0, 0
	for i := range len(text) {
		switch c := text[i]; {
		case c == '.':
			dots++
			octet = 0
		case c == ':':
			colons++
		case c == '%':
			return colons > 1 // a zone may be anything
		case c-'0' < 10:
			if octet = octet*10 + int(c-'0'); octet > 255 && dots > 0 && colons == 0 {
				return false
			}
		case c|0x20 < 'a' || c|0x20 > 'f':
			return false
		}
	}
	return dots == 3 || colons > 1
}

func ordered(op sigma.Op, n, want float64) bool {
	switch op {
	case sigma.Less:
		return n < want
	case sigma.LessEqual:
		return n <= want
	case sigma.Greater:
		return n > want
	case sigma.GreaterEqual:
		return n >= want
	}
	return n == want
}

func (p *predicate) compareField(t *test, s *subject, i int) bool {
	text := s.event.Fields[i].Text
	if !p.cased {
		text = s.lower(i)
	}
	return s.each(t.slot, func(j int) bool {
		if s.event.Fields[j].Kind == holdfast.Null {
			return false
		}
		other := s.event.Fields[j].Text
		if !p.cased {
			other = s.lower(j)
		}
		switch p.op {
		case sigma.Contains:
			return strings.Contains(text, other)
		case sigma.StartsWith:
			return strings.HasPrefix(text, other)
		case sigma.EndsWith:
			return strings.HasSuffix(text, other)
		}
		return text == other
	})
}

// timePart reads a time as RFC 3339, "2006-01-02 15:04:05" or seconds since
// 1970 (UTC), and returns the part in the zone in which it is written. A week
// is that of ISO 8601.
func timePart(text string, part sigma.TimePart) (float64, bool) {
	at, ok := parseTime(text)
	if !ok {
		return 0, false
	}
	n := 0
	switch part {
	case sigma.Minute:
		n = at.Minute()
	case sigma.Hour:
		n = at.Hour()
	case sigma.Day:
		n = at.Day()
	case sigma.Week:
		_, n = at.ISOWeek()
	case sigma.Month:
		n = int(at.Month())
	case sigma.Year:
		n = at.Year()
	}
	return float64(n), true
}

func parseTime(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.Abs(n) > 1e11 {
		return time.Time{}, false
	}
	return time.Unix(int64(n), 0).UTC(), true
}
