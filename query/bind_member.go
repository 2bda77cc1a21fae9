package query

import (
	"strconv"
	"strings"
)

// member binds what stands under names and places inside of JSON: all of the way
// as one operation, so that the JSON is read once. A native field of an event is
// laid out already, so what parse_json would find in it may be a field itself.
func (b *binder) member(e Expr) (*scalar, error) {
	var path []string
	of := e
	for {
		if m, ok := of.(Member); ok {
			path, of = append([]string{"n" + m.Name}, path...), m.Of
			continue
		}
		if i, ok := of.(Index); ok && i.N >= 0 {
			path, of = append([]string{"i" + strconv.Itoa(i.N)}, path...), i.Of
			continue
		}
		break
	}
	x, err := b.scalar(of)
	if err != nil {
		return nil, err
	}
	if !isText(x) {
		return nil, fault(of, "this is "+kindName(x.kind)+", in which nothing has a name", "names stand inside of JSON, as parse_json(field).name")
	}
	out := &scalar{op: "member", kind: native, args: []*scalar{x}, list: path}
	if f, ok := parsedField(of, 0); ok && b.scope.fields != "" {
		if _, ours := b.scope.find(f.Name); !ours {
			return coalesce([]*scalar{b.native(f.Name + dotted(path)), out}), nil
		}
	}
	return out, nil
}

// parsedField is the field of which parse_json is asked for.
func parsedField(e Expr, depth int) (Field, bool) {
	if c, ok := e.(Call); ok && depth < 4 && (c.Name == "parse_json" || c.Name == "tostring") {
		return parsedField(c.Args[0], depth+1)
	}
	f, ok := e.(Field)
	return f, ok
}

// dotted is a way inside of JSON as the name of a native field has it.
func dotted(path []string) string {
	var b strings.Builder
	for _, s := range path {
		b.WriteString("." + s[1:])
	}
	return b.String()
}

// inside resolves j.name, where j is a column that a step has made, of JSON.
func (b *binder) inside(f Field) (*scalar, bool) {
	for at := len(f.Name) - 1; at > 0; at-- {
		if f.Name[at] != '.' {
			continue
		}
		v, ok := b.exact(f.Name[:at])
		if !ok || v.kind != native {
			continue
		}
		var path []string
		for _, s := range strings.Split(f.Name[at+1:], ".") {
			path = append(path, "n"+s)
		}
		return &scalar{op: "member", kind: native, args: []*scalar{column(v.physical, v.kind, v.null)}, list: path}, true
	}
	return nil, false
}

// parsed is a text as one that may hold JSON.
func parsed(x *scalar) *scalar {
	if x.kind == texts || x.kind == numbers {
		return x
	}
	out := *toText(x)
	out.kind = native
	return &out
}

// member is a JSON pointer (RFC 6901).
func (d duckDB) member(of string, path []string, place func(any) string) string {
	var pointer strings.Builder
	for _, s := range path {
		pointer.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(s[1:]))
	}
	return "CASE WHEN json_valid(" + of + ") THEN coalesce(json_extract_string(" + of + ", " + place(pointer.String()) + "), '') ELSE '' END"
}

func (c clickHouse) member(of string, path []string, place func(any) string) string {
	var at strings.Builder
	for _, s := range path {
		if s[0] == 'i' {
			n, _ := strconv.Atoi(s[1:])
			at.WriteString(", " + strconv.Itoa(n+1))
		} else {
			at.WriteString(", " + place(s[1:]))
		}
	}
	where := of + at.String()
	return "multiIf(JSONType(" + where + ") = 'String', JSONExtractString(" + where + "), JSONType(" + where + ") = 'Null', '', JSONExtractRaw(" + where + "))"
}
