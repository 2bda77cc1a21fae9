package evtx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// event renders the binary XML of one record, which stands at pos of the chunk.
func (d *Decoder) event(b []byte, pos, end int) ([]byte, error) {
	d.out, d.values, d.depth, d.steps = append(d.out[:0], '{'), d.values[:0], 0, 0
	if _, err := d.fragment(pos, end, true); err != nil {
		return nil, err
	}
	if len(d.out) == 1 {
		return nil, errors.New("it is empty")
	}
	d.out = append(d.out, '}')
	return d.out, nil
}

// fragment renders elements and template instances up to the end, as pairs of
// an object.
func (d *Decoder) fragment(pos, end int, whole bool) (int, error) {
	if d.depth++; d.depth > maxDepth {
		return 0, errDepth
	}
	defer func() { d.depth-- }()
	start := len(d.out)
	for pos < end {
		if len(d.out) > start {
			d.out = append(d.out, ',')
		}
		before := len(d.out)
		var err error
		switch d.b[pos] {
		case tokEOF:
			pos = end
		case tokFragment:
			pos += 4
		case tokTemplate:
			pos, err = d.instance(pos, end)
		case tokOpen, tokOpen | more:
			var root int32
			mark := len(d.nodes)
			if root, pos, err = d.element(pos, end, whole, d.depth); err == nil {
				err = d.pair(root, nil)
			}
			d.nodes = d.nodes[:mark] // of this record alone
		default:
			err = fmt.Errorf("token %#x stands among elements", d.b[pos])
		}
		if err != nil {
			return 0, err
		}
		if len(d.out) == before && before > start {
			d.out = d.out[:before-1] // no comma
		}
	}
	return pos, nil
}

// instance renders a template with the values that follow it: the template's
// offset, its definition where it stands here, the number of values, size and
// type of each, and the values.
func (d *Decoder) instance(pos, end int) (int, error) {
	offset, err := d.u32(pos+6, end)
	if err != nil {
		return 0, err
	}
	pos += 10
	t := d.template(offset)
	if t.err != nil {
		return 0, t.err
	}
	if int(offset) == pos {
		pos = t.end
	}
	count, err := d.u32(pos, end)
	if err != nil {
		return 0, err
	}
	pos += 4
	if int64(count)*4 > int64(end-pos) || len(d.values)+int(count) > maxValues {
		return 0, fmt.Errorf("it says it has %d values", count)
	}
	at := pos + int(count)*4
	first := len(d.values)
	for range count {
		size := int(binary.LittleEndian.Uint16(d.b[pos:]))
		if size > end-at {
			return 0, errShort
		}
		d.values = append(d.values, value{typ: d.b[pos+2], start: at, end: at + size})
		pos, at = pos+4, at+size
	}
	err = d.pair(t.root, d.values[first:len(d.values):len(d.values)])
	d.values = d.values[:first]
	return at, err
}

// pair renders an element as a key and its value. Elements of the same key are
// an array under it.
func (d *Decoder) pair(i int32, vs []value) error {
	n := &d.nodes[i]
	if n.choose {
		d.key(n, vs)
	} else {
		d.out = append(d.out, n.key...)
	}
	d.out = append(d.out, ':')
	if n.same == 0 {
		return d.value(i, vs)
	}
	d.out = append(d.out, '[')
	for {
		if err := d.value(i, vs); err != nil {
			return err
		}
		if i = d.nodes[i].same; i == 0 {
			break
		}
		d.out = append(d.out, ',')
	}
	d.out = append(d.out, ']')
	return nil
}

// key renders the Name that the record gives a Data element.
func (d *Decoder) key(n *node, vs []value) {
	for a := n.attrs; a != 0; a = d.nodes[a].next {
		if string(d.nodes[a].key) == `"Name"` {
			d.out = append(d.out, '"')
			d.join(d.nodes[a].kids, vs)
			d.out = append(d.out, '"')
			return
		}
	}
	d.out = append(d.out, n.key...)
}

// value renders what an element holds.
func (d *Decoder) value(i int32, vs []value) error {
	if d.steps++; len(d.out) > maxOut || d.steps > maxSteps {
		return errSize
	}
	if d.depth++; d.depth > maxDepth {
		return errDepth
	}
	defer func() { d.depth-- }()
	n := d.nodes[i]
	attributed := false
	if n.attrs != 0 && !n.named && !n.choose {
		attributed = d.attributes(n.attrs, vs)
	}
	if n.elems || d.embeds(n.kids, vs) {
		return d.object(n.kids, vs, attributed)
	}
	if !attributed {
		d.text(n.kids, vs)
		return nil
	}
	if d.present(n.kids, vs) {
		d.out = append(d.out, `,"#text":`...)
		d.text(n.kids, vs)
	}
	d.out = append(d.out, '}')
	return nil
}

// attributes opens an object with the attributes that have a value, and
// reports whether there was one.
func (d *Decoder) attributes(first int32, vs []value) bool {
	some := false
	for a := first; a != 0; a = d.nodes[a].next {
		kids := d.nodes[a].kids
		if !d.present(kids, vs) {
			continue
		}
		if some {
			d.out = append(d.out, ',')
		} else {
			d.out = append(d.out, `{"#attributes":{`...)
		}
		some = true
		d.out = append(append(d.out, d.nodes[a].key...), ':')
		d.text(kids, vs)
	}
	if some {
		d.out = append(d.out, '}')
	}
	return some
}

func (d *Decoder) sub(n *node, vs []value) value {
	if int(n.index) >= len(vs) {
		return value{}
	}
	return vs[n.index]
}

func (d *Decoder) bytesOf(v value) []byte {
	b := d.b[v.start:v.end]
	if v.typ == typeString && !d.Exact {
		return trimBlanks(b)
	}
	return b
}

// present reports whether a run of texts and values holds anything.
func (d *Decoder) present(first int32, vs []value) bool {
	for k := first; k != 0; k = d.nodes[k].next {
		if n := &d.nodes[k]; n.kind == text || n.kind == sub && d.sub(n, vs).typ != typeNull {
			return true
		}
	}
	return false
}

// embeds reports whether one of the values is itself XML.
func (d *Decoder) embeds(first int32, vs []value) bool {
	for k := first; k != 0; k = d.nodes[k].next {
		if n := &d.nodes[k]; n.kind == sub {
			if v := d.sub(n, vs); v.typ == typeXML && v.end > v.start {
				return true
			}
		}
	}
	return false
}

// text renders a run of texts and values: one by its type, several as one
// string, none as null.
func (d *Decoder) text(first int32, vs []value) {
	if first == 0 {
		d.out = append(d.out, "null"...)
		return
	}
	if n := &d.nodes[first]; n.next == 0 && n.kind == sub {
		v := d.sub(n, vs)
		if v.typ&^array == typeXML {
			d.out = append(d.out, "null"...)
			return
		}
		d.out = appendValue(d.out, d.bytesOf(v), v.typ, false)
		return
	}
	d.out = append(d.out, '"')
	d.join(first, vs)
	d.out = append(d.out, '"')
}

// join renders a run of texts and values as one string, without quotes.
func (d *Decoder) join(first int32, vs []value) {
	for k := first; k != 0; k = d.nodes[k].next {
		switch n := &d.nodes[k]; n.kind {
		case text:
			d.out = append(d.out, n.text...)
		case sub:
			v := d.sub(n, vs)
			d.out = appendValue(d.out, d.bytesOf(v), v.typ, true)
		}
	}
}

// object renders children as an object; one with attributes is open already.
func (d *Decoder) object(first int32, vs []value, open bool) error {
	if !open {
		d.out = append(d.out, '{')
	}
	start := len(d.out)
	comma := func() {
		if last := d.out[len(d.out)-1]; last != '{' {
			d.out = append(d.out, ',')
		}
	}
	var mixed []byte
	for k := first; k != 0; k = d.nodes[k].next {
		n := d.nodes[k]
		switch n.kind {
		case element:
			if n.later {
				continue
			}
			comma()
			at := len(d.out)
			if err := d.pair(k, vs); err != nil {
				return err
			}
			if n.choose {
				d.rename(start, at)
			}
		case text:
			if s := bytes.TrimSpace(n.text); len(s) > 0 && string(s) != `\n` && string(s) != `\r\n` {
				mixed = append(mixed, n.text...)
			}
		case sub:
			v := d.sub(&n, vs)
			if v.typ != typeXML {
				mixed = appendValue(mixed, d.bytesOf(v), v.typ, true)
				continue
			}
			if v.start == v.end {
				continue
			}
			before := len(d.out)
			comma()
			at := len(d.out)
			if _, err := d.fragment(v.start, v.end, false); err != nil {
				return err
			}
			if len(d.out) == at {
				d.out = d.out[:before]
			}
		}
	}
	if len(mixed) > 0 {
		comma()
		d.out = append(d.out, `"#text":"`...)
		d.out = append(append(d.out, mixed...), '"')
	}
	d.out = append(d.out, '}')
	return nil
}

// rename gives the pair that was just rendered at a place a number if its key
// may have been used in the object before.
func (d *Decoder) rename(start, at int) {
	end := at + bytes.Index(d.out[at:], []byte(`":`)) + 1
	key := d.out[at:end]
	if !bytes.Contains(d.out[start:at], append(append([]byte{}, key...), ':')) {
		return
	}
	for n := 1; ; n++ {
		numbered := append(append([]byte{}, key[:len(key)-1]...), '_')
		numbered = append(strconv.AppendInt(numbered, int64(n), 10), '"', ':')
		if !bytes.Contains(d.out[start:at], numbered) {
			rest := append([]byte{}, d.out[end+1:]...)
			d.out = append(append(d.out[:at], numbered...), rest...)
			return
		}
	}
}
