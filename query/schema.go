package query

import (
	"strings"

	"holdfast"
)

// columns of the relation "events", with their kind.
var columns = func() map[string]byte {
	m := map[string]byte{
		"id": text, "time": instant, "received": instant, "dataset": text, "source": text, "asset": text,
		"trouble": text, "drill": text, "fields": text, "raw": text,
	}
	for _, k := range holdfast.EntityKinds() {
		m[k] = text
	}
	return m
}()

// aliases are other names people use for columns.
var aliases = map[string]string{
	"timestamp": "time", "_time": "time", "@timestamp": "time", "timegenerated": "time", "event.dataset": "dataset", "event.ingested": "received",
	"message_raw": "raw", "event.original": "raw", "host": "host.name", "src": "source.ip", "dst": "destination.ip", "event.id": "id",
}

// EventColumns are the columns of a result of whole events, in order.
func EventColumns() []string {
	out := []string{"id", "time", "received", "dataset", "asset", "source"}
	out = append(out, holdfast.EntityKinds()...)
	return append(out, "trouble", "drill", "fields", "raw")
}

// visible is a column by the name that people know it by.
type visible struct {
	name     string
	physical string
	kind     byte
	null     bool
}

// scope is what names mean at one step. While fields is set, any native field
// of the event may be asked for; after project, summarize or count only the
// columns made there.
type scope struct {
	cols   []visible
	fields string // physical column with the native fields as JSON
	kept   string // what stands before the columns of kept fields
	whole  bool   // the rows are whole events
	scan   bool   // what the store keeps besides the events' columns is there still
}

func (s *scope) find(name string) (visible, bool) {
	for _, c := range s.cols {
		if c.name == name {
			return c, true
		}
	}
	if a, ok := aliases[strings.ToLower(name)]; ok && s.fields != "" {
		for _, c := range s.cols {
			if c.name == a {
				return c, true
			}
		}
	}
	return visible{}, false
}

// set adds a column, or puts it in place of the one with its name.
func (s *scope) set(v visible) {
	for i, c := range s.cols {
		if c.name == v.name {
			s.cols[i] = v
			return
		}
	}
	s.cols = append(s.cols, v)
}

func (s *scope) names() []string {
	out := make([]string, len(s.cols))
	for i, c := range s.cols {
		out[i] = c.name
	}
	return out
}

// copied is a scope that may be changed without changing s.
func (s *scope) copied() scope {
	c := *s
	c.cols = append([]visible(nil), s.cols...)
	return c
}

// events tells whether the rows are events with their columns as they are.
func (s *scope) events() bool {
	names := EventColumns()
	if !s.whole || len(s.cols) != len(names) {
		return false
	}
	for i, n := range names {
		if s.cols[i].name != n || s.cols[i].physical != n {
			return false
		}
	}
	return true
}

// eventScope is the scope of a scan.
func eventScope(r *relation) scope {
	s := scope{whole: true, scan: true, fields: r.scanColumn("fields"), kept: r.prefix}
	for _, n := range EventColumns() {
		s.cols = append(s.cols, visible{n, r.scanColumn(n), columns[n], false})
	}
	return s
}
