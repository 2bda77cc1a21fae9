package hec

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/url"
	"strconv"
	"unicode/utf8"

	"github.com/valyala/fastjson"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/internal/intake"
)

// taking is one request.
type taking struct {
	gate   *intake.Gate
	batch  intake.Batch
	source string
	key    string
	parser fastjson.Parser

	count int // events so far
	taken int // records that are durable
	bad   int // the first event that was damaged, or -1
	why   said
}

// events takes JSON events that follow one another. A damaged one is kept as a
// dead letter, and those that follow it are taken; the answer names the first.
// (Splunk stops there. Who sends the rest again has it twice, not never.)
func (t *taking) events(ctx context.Context, body io.Reader) error {
	values := intake.NewValues(body, input.MaxRecord, true)
	for part := 0; ; {
		raw, more, err := values.Next()
		if errors.Is(err, io.EOF) {
			return t.batch.Put(ctx)
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return t.end(ctx, err)
		}
		if len(raw) > 0 {
			dataset := ""
			if part == 0 {
				dataset = t.check(raw, more || err != nil)
			}
			if aerr := t.add(ctx, raw, part, more, dataset); aerr != nil {
				return aerr
			}
		}
		switch {
		case err != nil:
			return t.end(ctx, err)
		case more:
			part++
		default:
			part = 0
			t.count++
		}
	}
}

// end puts what came whole before the damage, unless the sender will send all
// of it again in smaller requests.
func (t *taking) end(ctx context.Context, err error) error {
	if intake.TooLarge(err) {
		return err
	}
	if perr := t.batch.Put(ctx); perr != nil {
		return perr
	}
	return err
}

// check finds what Splunk would refuse an event for, and returns its sourcetype.
func (t *taking) check(raw []byte, broken bool) string {
	v, err := t.parser.ParseBytes(raw)
	if broken || err != nil || v.Type() != fastjson.TypeObject {
		t.damaged(sayBadFormat)
		return ""
	}
	event := v.Get("event")
	switch {
	case event == nil && v.Get("fields", "_value") == nil && !hasMetric(v):
		t.damaged(sayNoEvent)
	case event != nil && (event.Type() == fastjson.TypeNull || event.Type() == fastjson.TypeString && len(bytes.TrimSpace(event.GetStringBytes())) == 0):
		t.damaged(sayBlank)
	}
	if f := v.Get("fields"); f != nil && f.Type() != fastjson.TypeObject && f.Type() != fastjson.TypeNull {
		t.damaged(sayBadFields)
	}
	return string(v.GetStringBytes("sourcetype"))
}

// hasMetric reports whether an event is one of Splunk's metrics, which have no
// event.
func hasMetric(v *fastjson.Value) bool {
	found := false
	if o := v.GetObject("fields"); o != nil {
		o.Visit(func(key []byte, _ *fastjson.Value) { found = found || bytes.HasPrefix(key, []byte("metric_name")) })
	}
	return found
}

func (t *taking) damaged(why said) {
	if t.bad < 0 {
		t.bad, t.why = t.count, why
	}
}

func (t *taking) add(ctx context.Context, raw []byte, part int, more bool, dataset string) error {
	position := t.key + ":" + strconv.Itoa(t.count)
	if part > 0 {
		position += ":" + strconv.Itoa(part)
	}
	if len(dataset) > 200 {
		dataset = ""
	}
	return t.batch.Add(ctx, holdfast.Record{
		Source: t.source, Position: position, Once: true, Dataset: dataset, Received: t.gate.Clock.Now(), Raw: raw, Truncated: more, Part: part,
	})
}

// lines takes raw text, a line an event. What the request says of them is put
// around each, as an event, so that it can be read without the request.
func (t *taking) lines(ctx context.Context, body io.Reader, query url.Values) error {
	head := []byte{'{'}
	for _, name := range [...]string{"time", "host", "source", "sourcetype", "index"} {
		if v := query.Get(name); v != "" && len(v) <= maxMeta {
			head = holdfast.AppendJSONString(head, name)
			head = holdfast.AppendJSONString(append(head, ':'), v)
			head = append(head, ',')
		}
	}
	head = append(head, `"event":`...)
	dataset := query.Get("sourcetype")
	lines := intake.NewLines(body, input.MaxRecord)
	for part := 0; ; {
		raw, more, err := lines.Next()
		if err != nil && !errors.Is(err, io.EOF) {
			return t.end(ctx, err)
		}
		if len(bytes.TrimSpace(raw)) > 0 || part > 0 && len(raw) > 0 {
			if part == 0 && !more {
				raw = wrap(head, raw)
			}
			if aerr := t.add(ctx, raw, part, more, dataset); aerr != nil {
				return aerr
			}
		}
		if !more && (len(bytes.TrimSpace(raw)) > 0 || part > 0) {
			t.count++
		}
		switch {
		case err != nil:
			return t.batch.Put(ctx)
		case more:
			part++
		default:
			part = 0
		}
	}
}

// maxMeta bounds each of host, source, sourcetype and index of a request.
const maxMeta = 1024

// wrap makes an event of a line, unless it would be too long for a record, or
// is no text that JSON could hold unchanged: then the line stays as it is.
func wrap(head, line []byte) []byte {
	if !utf8.Valid(line) {
		return line
	}
	out := make([]byte, 0, len(head)+len(line)+16)
	out = append(holdfast.AppendJSONString(append(out, head...), string(line)), '}')
	if len(out) > input.MaxRecord {
		return line
	}
	return out
}
