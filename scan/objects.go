package scan

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/valyala/fastjson"
)

// objects calls each for every object of a stream of JSON: one a line, one
// after the other, in an array, or in the array "Records" of one object, as
// CloudTrail delivers them. An object over the limit, and text between objects,
// is told to left and passed over. Where objects stand one a line, one without
// an end does not swallow the next. Raw is valid during the call.
func objects(r *bufio.Reader, limit int, each func(n uint64, raw []byte) error, left func(n uint64, what string)) error {
	s := splitter{limit: limit, begun: true}
	var n uint64
	take := func(raw []byte) error {
		n++
		if s.over {
			left(n, fmt.Sprintf("it is larger than %d MB", limit>>20))
			return nil
		}
		records, ok := wrapped(raw)
		if !ok {
			return each(n, raw)
		}
		n--
		for _, raw := range records {
			n++
			if err := each(n, raw); err != nil {
				return err
			}
		}
		return nil
	}
	for {
		head, err := r.Peek(3)
		if len(head) == 0 {
			if !errors.Is(err, io.EOF) {
				return err
			}
			if s.depth > 0 {
				left(n+1, "it ends in the middle of an object")
			}
			s.toldText(n, left)
			return nil
		}
		chunk, _ := r.Peek(r.Buffered())
		if err == nil { // the beginning of a line is looked at as a whole
			if end := len(chunk) - 1; chunk[end] == '\n' {
				chunk = chunk[:end]
			} else if chunk[end-1] == '\n' {
				chunk = chunk[:end-1]
			}
		}
		for rest := chunk; len(rest) > 0; {
			used, whole := s.next(rest)
			rest = rest[used:]
			if s.broken {
				s.broken = false
				n++
				left(n, "it ends in the middle of an object")
			}
			if whole == nil {
				continue
			}
			s.toldText(n, left)
			if err := take(whole); err != nil {
				return err
			}
		}
		_, _ = r.Discard(len(chunk))
	}
}

// splitter finds where objects start and end.
type splitter struct {
	limit   int
	depth   int
	quoted  bool
	escaped bool
	over    bool
	broken  bool // an object was given up
	between int  // bytes between objects that are no separators
	// buf holds what earlier pieces had of the object.
	buf []byte
	// alone counts the objects that stood alone on their line; lines is whether
	// the one at work has had a line's end, begun whether its line began with it.
	alone      int
	lines      bool
	begun, end bool // at the beginning of a line; right behind an object that began its line
}

// classes are the bytes that mean something: outside of objects, and inside.
const (
	plainByte = iota
	quoteByte
	openByte
	closeByte
	lineByte
)

var classes = func() (t [256]byte) {
	t['"'], t['{'], t['['], t['}'], t[']'], t['\n'] = quoteByte, openByte, openByte, closeByte, closeByte, lineByte
	return t
}()

// next goes through b up to the end of an object, which it returns, or to the
// end of b. The object shares memory with b or with the splitter.
func (s *splitter) next(b []byte) (used int, whole []byte) {
	i := 0
	if s.depth == 0 {
		if i = s.skip(b); i == len(b) {
			return i, nil
		}
	}
	start := i
	if s.depth == 0 {
		s.depth, s.over, s.lines, s.buf = 1, false, false, s.buf[:0]
		i++
	}
	for i < len(b) {
		switch {
		case s.escaped:
			s.escaped = false
			i++
			continue
		case s.quoted:
			j := i
			for j < len(b) && b[j] != '"' && b[j] != '\\' && b[j] != '\n' && j < i+16 {
				j++
			}
			if j == i+16 { // a long one
				if k := bytes.IndexByte(b[j:], '"'); k < 0 {
					j = len(b)
				} else {
					j += k
				}
				if k := bytes.IndexByte(b[i:j], '\\'); k >= 0 {
					j = i + k
				}
				if s.alone > 0 {
					if k := bytes.IndexByte(b[i:j], '\n'); k >= 0 {
						j = i + k
					}
				}
			}
			if i = j; i == len(b) {
				continue
			}
			if b[i] == '\n' {
				if i++; s.cut(b[i:]) {
					return i, nil
				}
				continue
			}
			s.escaped, s.quoted = b[i] == '\\', b[i] != '"'
			i++
			continue
		}
		for i < len(b) && classes[b[i]] == plainByte {
			i++
		}
		if i == len(b) {
			break
		}
		c := classes[b[i]]
		i++
		switch c {
		case quoteByte:
			s.quoted = true
		case openByte:
			s.depth++
		case lineByte:
			if s.lines = true; s.cut(b[i:]) {
				return i, nil
			}
		case closeByte:
			if s.depth--; s.depth == 0 {
				s.end = s.begun && !s.lines
				s.begun = false
				return i, s.object(b[start:i])
			}
		}
	}
	s.object(b[start:])
	return i, nil
}

// cut gives an object up at the end of a line, if the objects before it stood
// one a line and the next line begins like one of them.
func (s *splitter) cut(rest []byte) bool {
	if s.alone == 0 || len(rest) < 2 || rest[0] != '{' || rest[1] != '"' {
		return false
	}
	s.depth, s.quoted, s.broken, s.begun = 0, false, true, true
	return true
}

// object adds the piece of an object and returns what there is of it.
func (s *splitter) object(piece []byte) []byte {
	if len(s.buf) == 0 && s.depth == 0 && !s.over {
		s.over = len(piece) > s.limit
		return piece
	}
	if s.over = s.over || len(s.buf)+len(piece) > s.limit; !s.over {
		s.buf = append(s.buf, piece...)
		return s.buf
	}
	return piece
}

// skip passes over what stands between objects.
func (s *splitter) skip(b []byte) int {
	for i, c := range b {
		switch c {
		case '{':
			return i
		case '\n':
			if s.end {
				s.alone++
			}
			s.begun, s.end = true, false
		case ' ', '\t', '\r', 0xef, 0xbb, 0xbf, 0x1e:
		case ',', '[', ']':
			s.begun, s.end = false, false
		default:
			s.begun, s.end = false, false
			s.between++
		}
	}
	return len(b)
}

func (s *splitter) toldText(n uint64, left func(uint64, string)) {
	if s.between > 0 {
		left(n, fmt.Sprintf("%d bytes after it are no JSON object", s.between))
		s.between = 0
	}
}

// wrapped takes the records out of an object that is nothing but the envelope of
// a list of them, as services export them: CloudTrail's {"Records": […]},
// Azure's "records", Pub/Sub's "receivedMessages", Graph's "value", the "items" of Google Workspace and of
// Kubernetes, the "entries" of Cloud Logging, the "Events" of a search in
// CloudTrail and the "logEvents" of CloudWatch Logs.
func wrapped(raw []byte) ([][]byte, bool) {
	for _, e := range [...]struct {
		list string
		sure string // what else must stand in it, unless the list stands alone
	}{
		{"Records", ""},
		{"records", ""},
		{"receivedMessages", ""},
		{"value", `"@odata.context"`},
		{"value", `"@odata.nextLink"`},
		{"value", `"nextLink"`},
		{"items", `reports#activities"`},
		{"items", `"EventList"`},
		{"entries", `"nextPageToken"`},
		{"Events", `"NextToken"`},
		{"events", `"searchedLogStreams"`},
		{"logEvents", `"logStream"`},
	} {
		at, ok := listAt(raw, e.list)
		if !ok {
			continue
		}
		alone := at == 0 && e.list != "events"
		if !alone && (e.sure == "" || !bytes.Contains(raw, []byte(e.sure))) {
			continue
		}
		v, err := fastjson.ParseBytes(raw)
		if err != nil {
			return nil, false
		}
		list := v.Get(e.list)
		if list == nil || list.Type() != fastjson.TypeArray {
			continue
		}
		if o := v.GetObject(); alone && e.sure != "" && o.Len() > 1 && !bytes.Contains(raw, []byte(e.sure)) {
			continue
		}
		var out [][]byte
		for _, x := range list.GetArray() {
			if x.Type() != fastjson.TypeObject {
				return nil, false // a record that has such a list
			}
			out = append(out, x.MarshalTo(nil))
		}
		return out, true
	}
	return nil, false
}

// listAt looks for "name": [ in the beginning of an object, and says where: 0 if
// it is the object's first key.
func listAt(raw []byte, name string) (int, bool) {
	key := []byte(`"` + name + `"`)
	head := raw[:min(len(raw), 2048)]
	at := bytes.Index(head, key)
	if at < 0 {
		return 0, false
	}
	rest := bytes.TrimLeft(head[at+len(key):], " \t\r\n")
	if len(rest) == 0 || rest[0] != ':' {
		return 0, false
	}
	if rest = bytes.TrimLeft(rest[1:], " \t\r\n"); len(rest) == 0 || rest[0] != '[' {
		return 0, false
	}
	if len(bytes.TrimLeft(head[1:at], " \t\r\n")) == 0 {
		return 0, true
	}
	return at, true
}
