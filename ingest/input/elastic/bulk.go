package elastic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/valyala/fastjson"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/internal/intake"
)

// maxID bounds an _id, as Elasticsearch does, and an index's name.
const maxID = 512

// taking is one request.
type taking struct {
	gate   *intake.Gate
	batch  intake.Batch
	source string
	key    string
	index  string // of the path, for items that name none
	filter filter

	parser  fastjson.Parser
	items   []item
	pending []int // items whose records wait in the batch, in their order
	taken   int   // records that are durable
	put     error // of the first record that is not
}

// item is one answer.
type item struct {
	op, index, id string
	status        int
	kind, reason  string // of what went wrong
}

// badAction says that the lines cannot be told apart any more.
type badAction struct {
	line   int
	reason string
}

func (e *badAction) Error() string {
	return fmt.Sprintf("Malformed action/metadata line [%d], %s", e.line, e.reason)
}

// bulk reads the lines of a request: one that says what to do, and, for all but
// delete, one that is the document.
func (t *taking) bulk(ctx context.Context, body io.Reader) error {
	lines := intake.NewLines(body, input.MaxRecord)
	for n := 1; ; n++ {
		raw, more, err := lines.Next()
		if err != nil && !errors.Is(err, io.EOF) {
			return t.rest(ctx, err)
		}
		if len(bytes.TrimSpace(raw)) > 0 {
			it, aerr := t.action(n, raw, more)
			if aerr != nil {
				return t.rest(ctx, aerr)
			}
			if len(t.items) >= intake.MaxRecords {
				return fmt.Errorf("more than %d items: %w", intake.MaxRecords, holdfast.ErrTooLarge)
			}
			t.items = append(t.items, it)
			if it.op != "delete" {
				n++
				if err != nil {
					return t.rest(ctx, &badAction{n, "and the document that should follow is missing"})
				}
				if err = t.document(ctx, lines); err != nil && !errors.Is(err, io.EOF) {
					return t.rest(ctx, err)
				}
			}
		}
		if err != nil {
			return t.rest(ctx, nil)
		}
	}
}

// rest puts what was gathered, also after damage: what came before it is whole.
// Only of a request that is too large the sender will send all in smaller ones.
func (t *taking) rest(ctx context.Context, err error) error {
	if err != nil && intake.TooLarge(err) {
		return err
	}
	_ = t.batch.Put(ctx) // told to done
	return err
}

// action reads the line that says what to do.
func (t *taking) action(n int, raw []byte, more bool) (item, error) {
	if more {
		return item{}, &badAction{n, "it is too long"}
	}
	v, err := t.parser.ParseBytes(raw)
	if err != nil {
		return item{}, &badAction{n, "it is no JSON"}
	}
	o, err := v.Object()
	if err != nil || o.Len() != 1 {
		return item{}, &badAction{n, "expected an object with one of index, create, update or delete"}
	}
	it := item{index: t.index, status: 201}
	var meta *fastjson.Value
	o.Visit(func(key []byte, v *fastjson.Value) { it.op, meta = string(key), v })
	switch it.op {
	case "index", "create", "update", "delete":
	default:
		return item{}, &badAction{n, "expected one of index, create, update or delete"}
	}
	if meta.Type() != fastjson.TypeObject {
		return item{}, &badAction{n, "expected an object after its verb"}
	}
	if s := meta.GetStringBytes("_index"); len(s) > 0 {
		it.index = string(s)
	}
	if id := meta.Get("_id"); id != nil && id.Type() == fastjson.TypeString {
		it.id = string(id.GetStringBytes())
	} else if id != nil && id.Type() == fastjson.TypeNumber {
		it.id = string(id.MarshalTo(nil))
	}
	switch {
	case len(it.id) > maxID || len(it.index) > maxID:
		it.fail(400, "illegal_argument_exception", fmt.Sprintf("an _id and an _index have at most %d bytes", maxID))
		it.id, it.index = cut(it.id), cut(it.index)
	case it.op == "update" || it.op == "delete":
		it.fail(400, "illegal_argument_exception", "events are not changed once they are taken: send index or create")
	}
	return it, nil
}

func cut(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxID)], "") }

func (it *item) fail(status int, kind, reason string) {
	it.status, it.kind, it.reason = status, kind, reason
}

// document takes the next line for the last item. A long one comes in pieces,
// which are kept as dead letters.
func (t *taking) document(ctx context.Context, lines *intake.Lines) error {
	at := len(t.items) - 1
	it := &t.items[at]
	refused := it.status >= 400
	for part := 0; ; part++ {
		raw, more, err := lines.Next()
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if !refused && (len(raw) > 0 || part == 0) {
			if perr := t.record(ctx, at, part, raw, more); perr != nil {
				return perr
			}
		}
		if !more || err != nil {
			return err
		}
	}
}

// record adds a document, or a piece of one.
func (t *taking) record(ctx context.Context, at, part int, raw []byte, more bool) error {
	it := &t.items[at]
	switch {
	case part > 0:
	case more:
		it.fail(400, "document_parsing_exception", fmt.Sprintf("longer than %d bytes; kept in pieces, in the dataset deadletter", input.MaxRecord))
	case len(bytes.TrimSpace(raw)) == 0:
		it.fail(400, "mapper_parsing_exception", "the document is empty")
		return nil
	default:
		if v, err := t.parser.ParseBytes(raw); err != nil || v.Type() != fastjson.TypeObject {
			it.fail(400, "mapper_parsing_exception", "failed to parse: the document is no JSON object; kept as it is, in the dataset deadletter")
		}
	}
	r := holdfast.Record{
		Source: t.source, Position: t.key + ":" + strconv.Itoa(at), Once: true, Dataset: datasetOf(it.index),
		Received: t.gate.Clock.Now(), Raw: raw, Truncated: more, Part: part,
	}
	if it.id != "" { // sent again it is the same event
		r.Position, r.Once = "id:"+it.index+"/"+it.id, false
	}
	if part > 0 {
		r.Position += ":" + strconv.Itoa(part)
	}
	t.pending = append(t.pending, at)
	if err := t.batch.Add(ctx, r); err != nil && intake.TooLarge(err) {
		return err
	}
	return nil // told to done
}

// datasetOf is what the name of an index says of the kind of record: the middle
// of a data stream's name, TYPE-DATASET-NAMESPACE, or the whole.
func datasetOf(index string) string {
	if p := strings.Split(index, "-"); len(p) == 3 && (p[0] == "logs" || p[0] == "metrics" || p[0] == "traces") {
		return p[1]
	}
	return index
}

// done hears what became of the next n records.
func (t *taking) done(n int, err error) {
	for _, at := range t.pending[:n] {
		if err == nil {
			t.taken++
			continue
		}
		if t.put == nil {
			t.put = err
		}
		// Also for a fault of ours: not all senders send again what is refused with
		// another status than this one.
		t.items[at].fail(429, rejected, intake.Said(err))
	}
	t.pending = t.pending[n:]
}
