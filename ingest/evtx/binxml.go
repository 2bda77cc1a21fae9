package evtx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// The tokens of binary XML, [MS-EVEN6] section 2.2.12. More marks elements with
// attributes, and attributes that others follow.
const (
	tokEOF = iota
	tokOpen
	tokCloseStart
	tokCloseEmpty
	tokEnd
	tokValue
	tokAttribute
	tokCDATA
	tokCharRef
	tokEntityRef
	tokPITarget
	tokPIData
	tokTemplate
	tokSub
	tokOptSub
	tokFragment

	more = 0x40
)

// Limits; what a real file holds is far below.
const (
	maxDepth  = 32
	maxNodes  = 1 << 16 // of one chunk
	maxValues = 4096    // of one record
	maxOut    = 8 << 20 // bytes of JSON of one record
	maxSteps  = 1 << 18 // elements of one record
)

var (
	errShort = errors.New("it ends in the middle of a token")
	errDepth = fmt.Errorf("elements are nested more than %d deep", maxDepth)
	errSize  = fmt.Errorf("it would be larger than %d MB or have more than %d elements", maxOut>>20, maxSteps)
	errNodes = errors.New("its templates are too large")
)

type kind uint8

const (
	element kind = iota
	text         // a fixed text
	sub          // a value of the record
)

// node is one part of a compiled template. Children and attributes are lists,
// linked by index; 0 is none.
type node struct {
	kind   kind
	named  bool // a Data element with a fixed Name, which is its key then
	choose bool // a Data element with a Name that the record gives
	elems  bool // has elements as children
	later  bool // an element of the same key stands before it: it is rendered there
	typ    uint8
	index  uint16 // of the record's value
	key    []byte // the name, as JSON
	text   []byte // escaped for JSON
	kids   int32
	attrs  int32
	next   int32
	same   int32 // the next element of the same key
}

// compiler turns the templates of one chunk into nodes.
type compiler struct {
	b         []byte
	nodes     []node
	bytes     []byte
	templates map[uint32]template
	names     map[uint32]name
}

type template struct {
	root int32
	end  int // of its definition
	err  error
}

type name struct {
	key  []byte // as JSON, quoted
	size int    // of its definition
}

func (c *compiler) reset(b []byte) {
	c.b = b
	c.nodes = append(c.nodes[:0], node{})
	c.bytes = nil // names and texts of the chunk before may still be in use
	if c.templates == nil {
		c.templates, c.names = map[uint32]template{}, map[uint32]name{}
	}
	clear(c.templates)
	clear(c.names)
}

func (c *compiler) u16(pos, end int) (int, error) {
	if pos < 0 || pos+2 > end {
		return 0, errShort
	}
	return int(binary.LittleEndian.Uint16(c.b[pos:])), nil
}

func (c *compiler) u32(pos, end int) (uint32, error) {
	if pos < 0 || pos+4 > end {
		return 0, errShort
	}
	return binary.LittleEndian.Uint32(c.b[pos:]), nil
}

// keep copies what is appended into memory of the chunk's own.
func (c *compiler) keep(b []byte) []byte {
	if cap(c.bytes)-len(c.bytes) < len(b) {
		c.bytes = make([]byte, 0, max(8<<10, len(b)))
	}
	start := len(c.bytes)
	c.bytes = append(c.bytes, b...)
	return c.bytes[start:len(c.bytes):len(c.bytes)]
}

// name reads the name that stands at an offset of the chunk: the offset of the
// next name, a hash, the length, the text, a zero.
func (c *compiler) name(offset uint32) (name, error) {
	if n, ok := c.names[offset]; ok {
		return n, nil
	}
	if offset > math.MaxUint16 {
		return name{}, fmt.Errorf("a name would stand at byte %d of the chunk", offset)
	}
	pos := int(offset)
	chars, err := c.u16(pos+6, len(c.b))
	if err != nil || pos+8+2*chars+2 > len(c.b) {
		return name{}, errShort
	}
	key := append(appendUTF16([]byte{'"'}, c.b[pos+8:pos+8+2*chars]), '"')
	n := name{key: c.keep(key), size: 8 + 2*chars + 2}
	c.names[offset] = n
	return n, nil
}

// named reads a name's offset at pos, and the name itself where it stands
// there; it returns the position after it.
func (c *compiler) named(pos, end int) (name, int, error) {
	offset, err := c.u32(pos, end)
	if err != nil {
		return name{}, 0, err
	}
	n, err := c.name(offset)
	if err != nil {
		return name{}, 0, err
	}
	pos += 4
	if int(offset) == pos {
		pos += n.size
	}
	if pos > end {
		return name{}, 0, errShort
	}
	return n, pos, nil
}

func (c *compiler) add(n node) (int32, error) {
	if len(c.nodes) >= maxNodes {
		return 0, errNodes
	}
	c.nodes = append(c.nodes, n)
	return int32(len(c.nodes) - 1), nil
}

// template compiles the definition at an offset of the chunk: the offset of the
// next one, a GUID, the size, and binary XML of that size.
func (c *compiler) template(offset uint32) template {
	if t, ok := c.templates[offset]; ok {
		return t
	}
	t := template{err: errShort}
	// A definition that leads back to itself finds this.
	c.templates[offset] = template{err: errors.New("a template contains itself")}
	if size, err := c.u32(int(offset)+20, len(c.b)); err == nil && offset < ChunkSize && int(size) <= len(c.b)-int(offset)-24 {
		pos := int(offset) + 24
		t.end = pos + int(size)
		if t.end-pos >= 4 && c.b[pos] == tokFragment {
			pos += 4
		}
		t.root, _, t.err = c.element(pos, t.end, true, 0)
	}
	c.templates[offset] = t
	return t
}

// element compiles the element at pos and returns the position after it. An
// element that stands in a value, and not in a template, has no dependency id.
func (c *compiler) element(pos, end int, dependency bool, depth int) (int32, int, error) {
	if depth > maxDepth {
		return 0, 0, errDepth
	}
	if pos >= end || c.b[pos]&^more != tokOpen {
		return 0, 0, errors.New("no element stands where one must")
	}
	attributes := c.b[pos]&more != 0
	pos++
	if dependency {
		pos += 2
	}
	pos += 4 // the element's size
	n, pos, err := c.named(pos, end)
	if err != nil {
		return 0, 0, err
	}
	self, err := c.add(node{kind: element, key: n.key})
	if err != nil {
		return 0, 0, err
	}
	if attributes {
		if pos, err = c.attributes(self, pos, end); err != nil {
			return 0, 0, err
		}
	}
	if pos >= end {
		return 0, 0, errShort
	}
	switch c.b[pos] {
	case tokCloseEmpty:
		return self, pos + 1, nil
	case tokCloseStart:
		kids, elems, pos, err := c.content(pos+1, end, dependency, depth)
		c.nodes[self].kids, c.nodes[self].elems = kids, elems
		return self, pos, err
	}
	return 0, 0, fmt.Errorf("token %#x ends a start tag", c.b[pos])
}

// attributes compiles an element's attributes: their size, and then each.
func (c *compiler) attributes(self int32, pos, end int) (int, error) {
	size, err := c.u32(pos, end)
	if err != nil {
		return 0, err
	}
	pos += 4
	if int64(size) > int64(end-pos) {
		return 0, errShort
	}
	stop := pos + int(size)
	last := int32(0)
	for pos < stop {
		if c.b[pos]&^more != tokAttribute {
			return 0, fmt.Errorf("token %#x stands among attributes", c.b[pos])
		}
		n, at, err := c.named(pos+1, stop)
		if err != nil {
			return 0, err
		}
		a, err := c.add(node{kind: element, key: n.key})
		if err != nil {
			return 0, err
		}
		if c.nodes[a].kids, _, pos, err = c.pieces(at, stop); err != nil {
			return 0, err
		}
		if last == 0 {
			c.nodes[self].attrs = a
		} else {
			c.nodes[last].next = a
		}
		last = a
		if string(n.key) == `"Name"` && string(c.nodes[self].key) == `"Data"` {
			c.nameOf(self, a)
		}
	}
	return pos, nil
}

// nameOf takes a Data element's Name for its key.
func (c *compiler) nameOf(self, attr int32) {
	k := c.nodes[attr].kids
	if k == 0 {
		return
	}
	if c.nodes[k].kind == text && c.nodes[k].next == 0 {
		c.nodes[self].named = true
		c.nodes[self].key = c.keep(append(append([]byte{'"'}, c.nodes[k].text...), '"'))
		return
	}
	c.nodes[self].choose = true
}

// pieces compiles the run of texts and values at pos.
func (c *compiler) pieces(pos, end int) (first, last int32, after int, err error) {
	for pos < end {
		n, next, ok, err := c.piece(pos, end)
		if err != nil {
			return 0, 0, 0, err
		}
		if !ok {
			break
		}
		pos = next
		i, err := c.add(n)
		if err != nil {
			return 0, 0, 0, err
		}
		if first == 0 {
			first = i
		} else {
			c.nodes[last].next = i
		}
		last = i
	}
	return first, last, pos, nil
}

var entities = map[string]string{`"amp"`: "&", `"lt"`: "<", `"gt"`: ">", `"quot"`: `\"`, `"apos"`: "'"}

// piece compiles one text or value; ok is false where another token stands.
func (c *compiler) piece(pos, end int) (n node, after int, ok bool, err error) {
	switch c.b[pos] {
	case tokSub, tokOptSub:
		index, err := c.u16(pos+1, end)
		if err != nil || pos+4 > end {
			return n, 0, false, errShort
		}
		return node{kind: sub, index: uint16(index), typ: c.b[pos+3]}, pos + 4, true, nil
	case tokValue, tokValue | more, tokCDATA, tokCDATA | more:
		if c.b[pos]&^more == tokValue {
			if pos+2 > end || c.b[pos+1] != typeString {
				return n, 0, false, errors.New("a fixed value is no text")
			}
			pos++
		}
		chars, err := c.u16(pos+1, end)
		if err != nil || pos+3+2*chars > end {
			return n, 0, false, errShort
		}
		t := c.keep(appendUTF16(nil, c.b[pos+3:pos+3+2*chars]))
		return node{kind: text, text: t}, pos + 3 + 2*chars, true, nil
	case tokCharRef, tokCharRef | more:
		v, err := c.u16(pos+1, end)
		if err != nil {
			return n, 0, false, err
		}
		t := c.keep(appendUTF16(nil, []byte{byte(v), byte(v >> 8)}))
		return node{kind: text, text: t}, pos + 3, true, nil
	case tokEntityRef, tokEntityRef | more:
		e, after, err := c.named(pos+1, end)
		if err != nil {
			return n, 0, false, err
		}
		return node{kind: text, text: []byte(entities[string(e.key)])}, after, true, nil
	}
	return n, pos, false, nil
}

// content compiles what stands between a start tag and its end.
func (c *compiler) content(pos, end int, dependency bool, depth int) (first int32, elems bool, after int, err error) {
	last := int32(0)
	link := func(i int32) {
		if first == 0 {
			first = i
		} else {
			c.nodes[last].next = i
		}
		last = i
	}
	for pos < end {
		switch tok := c.b[pos]; tok &^ more {
		case tokEnd:
			c.group(first)
			return first, elems, pos + 1, nil
		case tokOpen:
			i, next, err := c.element(pos, end, dependency, depth+1)
			if err != nil {
				return 0, false, 0, err
			}
			elems, pos = true, next
			link(i)
		case tokPITarget:
			if _, pos, err = c.named(pos+1, end); err != nil {
				return 0, false, 0, err
			}
		case tokPIData:
			chars, err := c.u16(pos+1, end)
			if err != nil {
				return 0, false, 0, err
			}
			pos += 3 + 2*chars
		default:
			n, next, ok, err := c.piece(pos, end)
			if err != nil {
				return 0, false, 0, err
			}
			if !ok {
				return 0, false, 0, fmt.Errorf("token %#x stands in an element", tok)
			}
			i, err := c.add(n)
			if err != nil {
				return 0, false, 0, err
			}
			link(i)
			pos = next
		}
	}
	return 0, false, 0, errShort
}

// group links the elements of the same key.
func (c *compiler) group(first int32) {
	count := 0
	for i := first; i != 0; i = c.nodes[i].next {
		count++
	}
	if count < 2 {
		return
	}
	seen := make(map[string]int32, count)
	for i := first; i != 0; i = c.nodes[i].next {
		n := &c.nodes[i]
		if n.kind != element || n.choose {
			continue
		}
		if before, ok := seen[string(n.key)]; ok {
			c.nodes[before].same, n.later = i, true
		}
		seen[string(n.key)] = i
	}
}
