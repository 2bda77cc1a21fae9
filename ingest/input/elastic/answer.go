package elastic

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/internal/intake"
)

// answer says what became of each item. If nothing at all was taken because
// there is no room, or by a fault of ours, the whole request is refused: some
// senders try again only then.
func (t *taking) answer(w http.ResponseWriter, err error) {
	var bad *badAction
	switch {
	case t.put != nil && t.taken == 0:
		t.refuseAll(w)
	case err == nil && len(t.items) == 0:
		refuse(w, http.StatusBadRequest, "parse_exception", "request body is required")
	case err == nil:
		_, _ = w.Write(t.appendItems(make([]byte, 0, 64+96*len(t.items))))
	case intake.TooLarge(err):
		refuse(w, http.StatusRequestEntityTooLarge, "content_too_long_exception", fmt.Sprintf("a request has at most %d MiB, %d MiB unpacked, and %d items", intake.MaxBody>>20, intake.MaxPlain>>20, intake.MaxRecords))
	case errors.As(err, &bad):
		refuse(w, http.StatusBadRequest, "illegal_argument_exception", fmt.Sprintf("%s; %d records before it are stored", bad, t.taken))
	default:
		refuse(w, http.StatusBadRequest, "parse_exception", fmt.Sprintf("the body could not be read to its end: %v; %d records before that are stored", err, t.taken))
	}
}

func (t *taking) refuseAll(w http.ResponseWriter) {
	w.Header().Set("Retry-After", strconv.Itoa(intake.RetryAfter(t.put)))
	refuse(w, http.StatusTooManyRequests, rejected, intake.Said(t.put))
}

// one takes a single document.
func (h *handler) one(w http.ResponseWriter, r *http.Request, t *taking, body io.Reader, index, id string) {
	raw, err := io.ReadAll(io.LimitReader(body, input.MaxRecord+1))
	switch {
	case err == nil && len(raw) > input.MaxRecord, err != nil && intake.TooLarge(err):
		refuse(w, http.StatusRequestEntityTooLarge, "content_too_long_exception", fmt.Sprintf("a document has at most %d bytes", input.MaxRecord))
		return
	case err != nil:
		refuse(w, http.StatusBadRequest, "parse_exception", "the body could not be read to its end: "+err.Error())
		return
	case len(index) > maxID || len(id) > maxID:
		refuse(w, http.StatusBadRequest, "illegal_argument_exception", fmt.Sprintf("an _id and an _index have at most %d bytes", maxID))
		return
	}
	t.items = append(t.items, item{op: "index", index: index, id: id, status: 201})
	_ = t.record(r.Context(), 0, 0, raw, false)
	_ = t.batch.Put(r.Context()) // told to done
	it := &t.items[0]
	switch {
	case t.put != nil:
		t.refuseAll(w)
	case it.status >= 400:
		refuse(w, it.status, it.kind, it.reason)
	default:
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(t.appendItem(nil, it, ""))
	}
}

func (t *taking) appendItems(b []byte) []byte {
	failed := false
	for i := range t.items {
		failed = failed || t.items[i].status >= 400
	}
	b = append(b, '{')
	if t.filter.keeps("took") {
		b = append(b, `"took":1,`...)
	}
	if t.filter.keeps("errors") {
		b = strconv.AppendBool(append(b, `"errors":`...), failed)
		b = append(b, ',')
	}
	if t.filter.keeps("items") {
		b = append(b, `"items":[`...)
		for i := range t.items {
			it := &t.items[i]
			was := len(b)
			b = holdfast.AppendJSONString(append(b, '{'), it.op)
			b = append(b, ':')
			inner := len(b)
			b = t.appendItem(b, it, "items."+it.op+".")
			if len(b)-inner == len("{}") {
				b = b[:was] // nothing of it was asked for
				continue
			}
			b = append(b, "},"...)
		}
		b = append(trim(b), "],"...)
	}
	return append(trim(b), '}')
}

func trim(b []byte) []byte {
	if b[len(b)-1] == ',' {
		return b[:len(b)-1]
	}
	return b
}

// appendItem appends what is kept of an item that stands under a path.
func (t *taking) appendItem(b []byte, it *item, under string) []byte {
	b = append(b, '{')
	text := func(name, value string) {
		if t.filter.keeps(under + name) {
			b = holdfast.AppendJSONString(b, name)
			b = holdfast.AppendJSONString(append(b, ':'), value)
			b = append(b, ',')
		}
	}
	text("_index", it.index)
	id := it.id
	if id == "" && it.status < 400 {
		id = t.key
	}
	text("_id", id)
	if it.status < 400 {
		text("result", "created")
		if t.filter.keeps(under + "_version") {
			b = append(b, `"_version":1,`...)
		}
		if t.filter.keeps(under + "_shards") {
			b = append(b, `"_shards":{"total":1,"successful":1,"failed":0},"_seq_no":0,"_primary_term":1,`...)
		}
	} else if t.filter.keeps(under + "error") {
		b = append(append(append(b, `"error":`...), cause(it.kind, it.reason)...), ',')
	}
	if t.filter.keeps(under + "status") {
		b = strconv.AppendInt(append(b, `"status":`...), int64(it.status), 10)
	}
	return append(trim(b), '}')
}

// filter is a filter_path: which parts of an answer are wanted. Its own results
// are kept, as there are few paths and many items.
type filter struct {
	patterns [][]string
	known    map[string]bool
}

func filterOf(paths string) filter {
	f := filter{known: map[string]bool{}}
	if len(paths) > 1000 {
		return f
	}
	for p := range strings.SplitSeq(paths, ",") {
		if p = strings.TrimSpace(p); p != "" && p[0] != '-' {
			f.patterns = append(f.patterns, strings.Split(p, "."))
		}
	}
	return f
}

// keeps reports whether a part of the answer, or something within it, is wanted.
func (f *filter) keeps(at string) bool {
	if len(f.patterns) == 0 {
		return true
	}
	if yes, ok := f.known[at]; ok {
		return yes
	}
	yes := false
	parts := strings.Split(at, ".")
	for _, p := range f.patterns {
		yes = yes || matches(p, parts)
	}
	f.known[at] = yes
	return yes
}

// matches compares a pattern with a path: one that is longer wants something
// within, one that is shorter wants all within.
func matches(pattern, parts []string) bool {
	for i, p := range parts {
		if i >= len(pattern) || pattern[i] == "**" {
			return true
		}
		if ok, err := path.Match(pattern[i], p); err != nil || !ok {
			return false
		}
	}
	return true
}
