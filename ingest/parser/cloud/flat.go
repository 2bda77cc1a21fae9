package cloud

import (
	"errors"
	"fmt"

	"github.com/valyala/fastjson"

	"holdfast"
	"holdfast/ingest/parser"
)

// flatten takes all fields of the record: nested names are joined by dots,
// lists repeat their name. What stands under "properties" loses that part of
// its name if hoist is set.
func (r *record) flatten(hoist bool) {
	r.fields = make([]holdfast.Field, 0, 64)
	r.value("", r.v, 0, hoist)
}

func (r *record) value(name string, v *fastjson.Value, depth int, hoist bool) {
	if r.err != nil {
		return
	}
	if depth > parser.MaxDepth {
		r.err = fmt.Errorf("nested deeper than %d", parser.MaxDepth)
		return
	}
	switch v.Type() {
	case fastjson.TypeObject:
		o, err := v.Object()
		if err != nil {
			r.err = err
			return
		}
		o.Visit(func(key []byte, v *fastjson.Value) {
			if r.err != nil {
				return
			}
			if n := len(name) + 1 + len(key); n > parser.MaxName {
				r.err = fmt.Errorf("a field's name has %d bytes or more, %d are allowed", n-1, parser.MaxName)
				return
			}
			below := string(key)
			if name != "" {
				below = name + "." + below
			}
			if hoist && depth == 0 && below == "properties" && v.Type() == fastjson.TypeObject {
				below = ""
			}
			r.value(below, v, depth+1, hoist)
		})
	case fastjson.TypeArray:
		list, err := v.Array()
		if err != nil {
			r.err = err
			return
		}
		for _, v := range list {
			r.value(name, v, depth+1, hoist)
		}
	case fastjson.TypeString:
		r.field(name, string(v.GetStringBytes()), holdfast.String)
	case fastjson.TypeNumber:
		r.field(name, string(v.MarshalTo(nil)), holdfast.Number)
	case fastjson.TypeTrue:
		r.field(name, "true", holdfast.Bool)
	case fastjson.TypeFalse:
		r.field(name, "false", holdfast.Bool)
	default:
		r.field(name, "", holdfast.Null)
	}
}

func (r *record) field(name, text string, kind holdfast.Kind) {
	switch {
	case name == "":
		r.err = errors.New("a field without a name")
	case len(r.fields) >= parser.MaxFields:
		r.err = fmt.Errorf("more than %d fields", parser.MaxFields)
	default:
		r.fields = append(r.fields, holdfast.Field{Name: name, Text: text, Kind: kind})
	}
}
