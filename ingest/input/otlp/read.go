package otlp

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// unmarshal reads a message as protobuf. The library refuses a whole request for
// one text that is no UTF-8. Collectors do not look at the texts that they hand on,
// and never send again what was refused: so such texts are mended, and read.
func unmarshal(b []byte, m proto.Message) error {
	read := proto.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: maxNested}
	err := read.Unmarshal(b, m)
	if err == nil || utf8.Valid(b) {
		return err
	}
	mended, ok := mend(nil, b, m.ProtoReflect().Descriptor(), 0)
	if !ok {
		return err
	}
	proto.Reset(m)
	return read.Unmarshal(mended, m)
}

// maxMended bounds how deep texts are mended: values stand two messages deep in
// each other.
const maxMended = 2*maxDepth + 10

// mend appends a message whose texts are UTF-8. It reports whether the message
// could be read to its end.
func mend(to, b []byte, d protoreflect.MessageDescriptor, depth int) ([]byte, bool) {
	for len(b) > 0 {
		number, kind, head := protowire.ConsumeTag(b)
		if head < 0 {
			return nil, false
		}
		size := protowire.ConsumeFieldValue(number, kind, b[head:])
		if size < 0 {
			return nil, false
		}
		one := b[:head+size]
		b = b[len(one):]
		field := d.Fields().ByNumber(number)
		if kind != protowire.BytesType || field == nil || utf8.Valid(one) {
			to = append(to, one...)
			continue
		}
		value, _ := protowire.ConsumeBytes(one[head:])
		switch {
		case field.Kind() == protoreflect.StringKind:
			value = bytes.ToValidUTF8(value, []byte("\ufffd"))
		case field.Kind() == protoreflect.MessageKind && depth < maxMended:
			inner, ok := mend(make([]byte, 0, len(value)+16), value, field.Message(), depth+1)
			if !ok {
				return nil, false
			}
			value = inner
		}
		to = protowire.AppendBytes(protowire.AppendTag(to, number, kind), value)
	}
	return to, true
}

// unmarshalJSON reads a message as JSON, and mends texts that are no Unicode in the
// same way.
func unmarshalJSON(b []byte, m proto.Message) error {
	read := protojson.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: maxNested}
	err := read.Unmarshal(b, m)
	if err == nil {
		return nil
	}
	mended := mendJSON(b)
	if bytes.Equal(mended, b) {
		return err
	}
	proto.Reset(m)
	return read.Unmarshal(mended, m)
}

// mendJSON replaces bytes that are no UTF-8, and halves of a pair of surrogates:
// JavaScript writes one where a text was cut within a character.
func mendJSON(b []byte) []byte {
	b = bytes.ToValidUTF8(b, []byte("\ufffd"))
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\\')
		if i < 0 || i+1 >= len(b) {
			break
		}
		out, b = append(out, b[:i]...), b[i:]
		size := 2
		if half := surrogate(b); half != 0 {
			size = 6
			if half == 'h' && surrogate(b[size:]) == 'l' {
				size = 12
			} else {
				out, b = append(out, `\ufffd`...), b[size:]
				continue
			}
		}
		out, b = append(out, b[:size]...), b[size:]
	}
	return append(out, b...)
}

// surrogate is which half of a pair an escape at the beginning of a text is: 'h',
// 'l', or 0.
func surrogate(b []byte) byte {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' || b[2]|0x20 != 'd' {
		return 0
	}
	switch b[3] {
	case '8', '9', 'a', 'b', 'A', 'B':
		return 'h'
	case 'c', 'd', 'e', 'f', 'C', 'D', 'E', 'F':
		return 'l'
	}
	return 0
}

// codec is grpc's own for protobuf, but for what it reads with.
type codec struct{ encoding.CodecV2 }

func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is no message", v)
	}
	return unmarshal(data.Materialize(), m)
}
