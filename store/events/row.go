package events

import (
	"encoding/hex"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/valyala/fastjson"

	"holdfast"
	"holdfast/query"
)

// row is an event as a segment keeps it. Text is never null. Times are of UTC and
// do not say so, because DuckDB reads those that do as times of a zone, and has to
// ask a calendar about each. What seldom comes back, or is long, has no dictionary:
// to fetch one event, all of it would have to be read.
type row struct {
	ID          string `parquet:"id"`
	Time        int64  `parquet:"time,timestamp(microsecond:local),delta"`
	Received    int64  `parquet:"received,timestamp(microsecond:local),delta"`
	Dataset     string `parquet:"dataset,dict"`
	Source      string `parquet:"source,dict"`
	Asset       string `parquet:"asset,dict"`
	HostName    string `parquet:"host_name,dict"`
	UserName    string `parquet:"user_name,dict"`
	SourceIP    string `parquet:"source_ip,dict"`
	Destination string `parquet:"destination_ip,dict"`
	Process     string `parquet:"process_name,dict"`
	Executable  string `parquet:"process_executable,dict"`
	Hash        string `parquet:"file_hash_sha256"`
	File        string `parquet:"file_path"`
	Domain      string `parquet:"url_domain,dict"`
	Principal   string `parquet:"cloud_principal,dict"`
	Trouble     string `parquet:"trouble,dict"`
	Drill       string `parquet:"drill,dict"`
	Fields      string `parquet:"fields"`
	Raw         string `parquet:"raw"`
	RawBytes    []byte `parquet:"raw_bytes"` // only of a record that is no UTF-8
	// Position is that of the event's block on the bus; 0 in a segment from
	// before it was kept.
	Position int64 `parquet:"position,delta"`
	// CommandLine is that field once more, so that it is searched without the
	// others; of no use where kept was not yet (keptForm).
	CommandLine string `parquet:"command_line,dict"`
}

// keptForm is the first form of segments that keeps fields as columns.
const keptForm = 2

// kept are the native fields that have a column of their own: as text, a list as
// JSON, as the search itself would take them out of "fields".
var kept = []struct{ field, stored string }{{query.KeptCommandLine, "command_line"}}

// keep fills the columns of kept fields from the others.
func (r *row) keep() {
	v, err := fastjson.Parse(r.Fields)
	if err != nil {
		return // whoever reads the event says so
	}
	r.CommandLine = keptText(v.Get(query.KeptCommandLine))
}

func keptText(v *fastjson.Value) string {
	switch {
	case v == nil || v.Type() == fastjson.TypeNull:
		return ""
	case v.Type() == fastjson.TypeString:
		return string(v.GetStringBytes())
	}
	return v.String()
}

// keptOf is the text of a field that has a column of its own.
func keptOf(e *holdfast.Event, name string) string {
	at := -1
	for i := range e.Fields {
		if e.Fields[i].Name != name {
			continue
		}
		if at >= 0 { // several make a list
			v, err := fastjson.ParseBytes(e.AppendFieldsJSON(nil))
			if err != nil {
				return ""
			}
			return keptText(v.Get(name))
		}
		at = i
	}
	if at < 0 || e.Fields[at].Kind == holdfast.Null {
		return ""
	}
	return utf8Text(e.Fields[at].Text)
}

// column is a column of the relation "events": its name there, in the segment,
// and its type.
type column struct{ name, stored, kind string }

// relation lists the columns of the relation "events", in the order of package
// query.
var relation = []column{
	{"id", "id", "VARCHAR"},
	{"time", "time", "TIMESTAMP"},
	{"received", "received", "TIMESTAMP"},
	{"dataset", "dataset", "VARCHAR"},
	{"asset", "asset", "VARCHAR"},
	{"source", "source", "VARCHAR"},
	{holdfast.EntityHost, "host_name", "VARCHAR"},
	{holdfast.EntityUser, "user_name", "VARCHAR"},
	{holdfast.EntitySource, "source_ip", "VARCHAR"},
	{holdfast.EntityDestination, "destination_ip", "VARCHAR"},
	{holdfast.EntityProcess, "process_name", "VARCHAR"},
	{holdfast.EntityExecutable, "process_executable", "VARCHAR"},
	{holdfast.EntityHash, "file_hash_sha256", "VARCHAR"},
	{holdfast.EntityFile, "file_path", "VARCHAR"},
	{holdfast.EntityDomain, "url_domain", "VARCHAR"},
	{holdfast.EntityPrincipal, "cloud_principal", "VARCHAR"},
	{"trouble", "trouble", "VARCHAR"},
	{"drill", "drill", "VARCHAR"},
	{"fields", "fields", "VARCHAR"},
	{"raw", "raw", "VARCHAR"},
}

// blooms are the stored columns with a bloom filter: the needles.
var blooms = []string{"id", "user_name", "source_ip", "destination_ip", "file_hash_sha256", "url_domain"}

// newRow makes the row of an event that nobody changes. The row's texts are the
// event's own, or lie in the memory.
func newRow(e *holdfast.Event, entities []holdfast.Entity, m *memory) row {
	r := row{
		Time: clamp(e.Time), Received: clamp(e.Received), Dataset: e.Dataset, Source: utf8Text(e.Source), Asset: e.Asset,
		Trouble: utf8Text(e.Trouble), Drill: e.Drill, CommandLine: keptOf(e, query.KeptCommandLine),
	}
	p := m.ids.room(2 * len(e.ID))
	from := len(p)
	r.ID = m.ids.keep(hex.AppendEncode(p, e.ID[:]), from)
	p = m.fields.room(1024 + 2*len(e.Raw))
	from = len(p)
	r.Fields = m.fields.keep(e.AppendFieldsJSON(p), from)
	if utf8.Valid(e.Raw) {
		r.Raw = text(e.Raw)
	} else {
		r.Raw, r.RawBytes = utf8Text(text(e.Raw)), e.Raw
	}
	for _, x := range entities {
		if at := r.entity(x.Kind); at != nil && *at == "" {
			*at = utf8Text(x.Value)
		}
	}
	return r
}

func (r *row) entity(kind string) *string {
	switch kind {
	case holdfast.EntityHost:
		return &r.HostName
	case holdfast.EntityUser:
		return &r.UserName
	case holdfast.EntitySource:
		return &r.SourceIP
	case holdfast.EntityDestination:
		return &r.Destination
	case holdfast.EntityProcess:
		return &r.Process
	case holdfast.EntityExecutable:
		return &r.Executable
	case holdfast.EntityHash:
		return &r.Hash
	case holdfast.EntityFile:
		return &r.File
	case holdfast.EntityDomain:
		return &r.Domain
	case holdfast.EntityPrincipal:
		return &r.Principal
	}
	return nil
}

func isKept(stored string) bool {
	for _, k := range kept {
		if k.stored == stored {
			return true
		}
	}
	return false
}

// utf8Text has a sign for each byte that is no UTF-8, as JSON of fields has.
func utf8Text(s string) string {
	if utf8.ValidString(s) { // which looks at eight bytes at a time
		return s
	}
	return string([]rune(s))
}

// The years that a column of microseconds, and DuckDB, can hold and print.
var (
	earliest = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
)

// clamp brings a time into the column's range; the record itself keeps what it
// said.
func clamp(t time.Time) int64 {
	switch {
	case t.Before(earliest):
		t = earliest
	case t.After(latest):
		t = latest
	}
	return t.UnixMicro()
}

// event turns a row back into the event it came from.
func (r *row) event() (holdfast.Event, error) {
	e := holdfast.Event{
		Time: time.UnixMicro(r.Time).UTC(), Received: time.UnixMicro(r.Received).UTC(), Source: r.Source, Asset: r.Asset, Dataset: r.Dataset,
		Trouble: r.Trouble, Drill: r.Drill, Raw: []byte(r.Raw),
	}
	if len(r.RawBytes) > 0 {
		e.Raw = r.RawBytes
	}
	if err := e.ID.UnmarshalText([]byte(r.ID)); err != nil {
		return e, err
	}
	v, err := fastjson.Parse(r.Fields)
	if err != nil {
		return e, fmt.Errorf("event %s: fields: %w", r.ID, err)
	}
	o, err := v.Object()
	if err != nil {
		return e, fmt.Errorf("event %s: fields: %w", r.ID, err)
	}
	o.Visit(func(key []byte, v *fastjson.Value) {
		if list, err := v.Array(); err == nil {
			for _, x := range list {
				e.Fields = append(e.Fields, field(string(key), x))
			}
			return
		}
		e.Fields = append(e.Fields, field(string(key), v))
	})
	return e, nil
}

func field(name string, v *fastjson.Value) holdfast.Field {
	switch v.Type() {
	case fastjson.TypeString:
		return holdfast.Field{Name: name, Text: string(v.GetStringBytes())}
	case fastjson.TypeNumber:
		return holdfast.Field{Name: name, Text: v.String(), Kind: holdfast.Number}
	case fastjson.TypeTrue, fastjson.TypeFalse:
		return holdfast.Field{Name: name, Text: v.String(), Kind: holdfast.Bool}
	case fastjson.TypeNull:
		return holdfast.Field{Name: name, Kind: holdfast.Null}
	}
	return holdfast.Field{Name: name, Text: v.String()}
}

// Decode is the event of a row of the relation, whose columns are named.
func Decode(names []string, vals []any) (holdfast.Event, error) {
	var r row
	for i, name := range names {
		switch v := vals[i].(type) {
		case time.Time:
			switch name {
			case "time":
				r.Time = v.UnixMicro()
			case "received":
				r.Received = v.UnixMicro()
			}
		case string:
			switch name {
			case "id":
				r.ID = v
			case "dataset":
				r.Dataset = v
			case "source":
				r.Source = v
			case "asset":
				r.Asset = v
			case "trouble":
				r.Trouble = v
			case "drill":
				r.Drill = v
			case "fields":
				r.Fields = v
			case "raw":
				r.Raw = v
			}
		}
	}
	return r.event()
}
