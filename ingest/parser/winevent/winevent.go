// Package winevent reads Windows events in the JSON form of their XML: an
// object with the key Event, as package evtx and the common exporters write it.
// It finds the dataset by channel, event id and event type.
package winevent

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/valyala/fastjson"

	"holdfast"
	"holdfast/ingest/parser"
)

const product = "windows"

// Parser describes the parser.
func Parser() parser.Parser {
	pool := sync.Pool{New: func() any { return &reader{names: map[string]string{}} }}
	return parser.Parser{
		Name:  "winevent",
		Title: "Windows events",
		Description: "Events of any channel, as JSON of their XML. EventData and UserData become fields under their own names, " +
			"without blanks; attributes of System are joined to their element's name (Provider_Name).",
		References: []string{"[MS-EVEN6] 2.2.12", "Sigma specification 2.1, logsource"},
		Datasets:   Datasets(),
		Parse: func(raw []byte, _ parser.Hint) (parser.Parsed, error) {
			if !looksLike(raw) {
				return parser.Parsed{}, parser.ErrOther
			}
			r := pool.Get().(*reader)
			defer pool.Put(r)
			return r.parse(raw)
		},
	}
}

// looksLike reports whether the object's first key is Event.
func looksLike(raw []byte) bool {
	rest := strings.TrimLeft(string(raw[:min(len(raw), 64)]), " \t\r\n")
	rest, ok := strings.CutPrefix(rest, "{")
	return ok && strings.HasPrefix(strings.TrimLeft(rest, " \t\r\n"), `"Event"`)
}

// Datasets lists one for each category and each service, and one for events of
// other channels.
func Datasets() []holdfast.Dataset {
	out := []holdfast.Dataset{dataset("windows.event", "", kind{})}
	for _, s := range services {
		name := "windows." + s
		if !slices.ContainsFunc(out, func(d holdfast.Dataset) bool { return d.Name == name }) {
			out = append(out, dataset(name, s, kind{}))
		}
	}
	for _, k := range kinds {
		name := k.dataset()
		if !slices.ContainsFunc(out, func(d holdfast.Dataset) bool { return d.Name == name }) {
			out = append(out, dataset(name, k.service, k))
		}
	}
	slices.SortFunc(out, func(a, b holdfast.Dataset) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (k *kind) dataset() string { return "windows." + k.service + "." + k.category }

// serviceNames are the datasets of services.
var serviceNames = func() map[string]string {
	for i := range kinds {
		kinds[i].name = kinds[i].dataset()
	}
	out := map[string]string{}
	for _, s := range services {
		out[s] = "windows." + s
	}
	return out
}()

func dataset(name, service string, k kind) holdfast.Dataset {
	d := holdfast.Dataset{
		Name:      name,
		Title:     strings.TrimSpace("Windows " + service + " " + strings.ReplaceAll(k.category, "_", " ")),
		Logsource: holdfast.Logsource{Product: product, Service: service, Category: k.category},
		Whole:     true,
		Alias:     aliases[service+"/"+k.category],
		ECS: map[string]string{
			"Computer": holdfast.EntityHost,
			"User":     holdfast.EntityUser, "TargetUserName": holdfast.EntityUser, "SubjectUserName": holdfast.EntityUser,
			"IpAddress": holdfast.EntitySource, "SourceIp": holdfast.EntitySource, "DestinationIp": holdfast.EntityDestination,
			"Image": holdfast.EntityExecutable, "NewProcessName": holdfast.EntityExecutable,
		},
	}
	if k.general != "" {
		d.Also = []holdfast.Logsource{{Product: product, Service: service, Category: k.general}}
	}
	return d
}

// reader is what parsing an event needs, kept for the next one.
type reader struct {
	json  fastjson.Parser
	names map[string]string
	key   []byte
	flat  flat
}

// joined is a name and that of a part of it.
func (r *reader) joined(name, part string) string {
	r.key = append(append(append(r.key[:0], name...), '_'), part...)
	if n, ok := r.names[string(r.key)]; ok {
		return n
	}
	return r.name(string(r.key))
}

// maxNames bounds how many names of fields are kept.
const maxNames = 10_000

// name returns a field's name as the parser gives it: without blanks, and the
// same string each time.
func (r *reader) name(key string) string {
	if n, ok := r.names[key]; ok {
		return n
	}
	n := strings.ReplaceAll(key, " ", "")
	if n == "" {
		n = "Data"
	}
	if len(key) > parser.MaxName { // too long for a field: not worth keeping
		return strings.Clone(n)
	}
	if len(r.names) >= maxNames {
		clear(r.names)
	}
	r.names[strings.Clone(key)] = strings.Clone(n)
	return r.names[key]
}

func (r *reader) parse(raw []byte) (parser.Parsed, error) {
	v, err := r.json.ParseBytes(raw)
	if err != nil {
		return parser.Parsed{}, fmt.Errorf("damaged JSON: %.100s", err.Error())
	}
	event := v.Get("Event")
	system := event.Get("System")
	if system == nil || system.Type() != fastjson.TypeObject {
		return parser.Parsed{}, parser.ErrOther
	}
	f := &r.flat
	*f = flat{r: r, fields: f.fields[:0], text: f.text[:0], ends: f.ends[:0]}
	f.object("", system, 0, true)
	for _, part := range []string{"EventData", "UserData"} {
		if o := event.Get(part); o != nil {
			f.data(o)
		}
	}
	if o := event.Get("RenderingInfo", "Message"); o != nil {
		f.value("Message", o, 0)
	}
	if f.err != nil {
		return parser.Parsed{}, f.err
	}
	f.fill()
	out := parser.Parsed{Fields: slices.Clone(f.fields), Dataset: route(f.get("Channel"), f.get("EventID"), f.get("EventType")), Host: f.get("Computer")}
	if t, err := time.Parse(time.RFC3339Nano, f.get("TimeCreated_SystemTime")); err == nil {
		out.Time = t
	}
	return out, nil
}

// route finds the dataset of an event.
func route(channel, id, typed string) string {
	service, ok := services[strings.ToLower(channel)]
	if !ok {
		return "windows.event"
	}
	for i := range kinds {
		if k := &kinds[i]; k.service == service && k.id == id && (k.typed == "" || k.typed == typed) {
			return k.name
		}
	}
	return serviceNames[service]
}

// flat collects fields; their texts stand one after the other in text.
type flat struct {
	r      *reader
	fields []holdfast.Field
	text   []byte
	ends   []int
	err    error
}

// fill gives the fields their texts, which share one string.
func (f *flat) fill() {
	all, start := string(f.text), 0
	for i, end := range f.ends {
		f.fields[i].Text = all[start:end]
		start = end
	}
}

func (f *flat) get(name string) string {
	for i := range f.fields {
		if f.fields[i].Name == name {
			return f.fields[i].Text
		}
	}
	return ""
}

func (f *flat) add(name string, text []byte, kind holdfast.Kind) {
	if f.err != nil {
		return
	}
	if len(f.fields) >= parser.MaxFields {
		f.err = fmt.Errorf("more than %d fields", parser.MaxFields)
		return
	}
	if len(name) > parser.MaxName {
		f.err = fmt.Errorf("a field's name has %d bytes, %d are allowed", len(name), parser.MaxName)
		return
	}
	f.fields = append(f.fields, holdfast.Field{Name: f.r.name(name), Kind: kind})
	f.text = append(f.text, text...)
	f.ends = append(f.ends, len(f.text))
}

// data takes EventData, whose children are the fields, or UserData, whose only
// child holds them.
func (f *flat) data(v *fastjson.Value) {
	o, err := v.Object()
	if err != nil {
		f.value("Data", v, 0)
		return
	}
	o.Visit(func(key []byte, child *fastjson.Value) {
		switch inner := child.Get("#attributes", "xmlns"); {
		case string(key) == "#attributes":
		case inner != nil && child.Type() == fastjson.TypeObject:
			f.object("", child, 1, false)
		default:
			f.value(view(key), child, 1)
		}
	})
}

// view is a string over bytes that live as long as the record is parsed; what
// is kept of it is copied.
func view(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // read only
}

// object takes an object's members; joined puts its name before theirs.
func (f *flat) object(name string, v *fastjson.Value, depth int, joined bool) {
	if depth > parser.MaxDepth {
		f.err = errors.New("nested too deep")
		return
	}
	o, err := v.Object()
	if err != nil {
		return
	}
	o.Visit(func(key []byte, child *fastjson.Value) {
		k := view(key)
		switch {
		case k == "#attributes" && name == "":
		case k == "#attributes":
			f.object(name, child, depth+1, joined)
		case k == "#text":
			f.value(name, child, depth+1)
		case name != "" && joined:
			f.value(f.r.joined(name, k), child, depth+1)
		default:
			f.value(k, child, depth+1)
		}
	})
}

func (f *flat) value(name string, v *fastjson.Value, depth int) {
	switch v.Type() {
	case fastjson.TypeObject:
		f.object(name, v, depth+1, true)
	case fastjson.TypeArray:
		if depth > parser.MaxDepth {
			f.err = errors.New("nested too deep")
			return
		}
		items, _ := v.Array()
		for _, x := range items {
			f.value(name, x, depth+1)
		}
	case fastjson.TypeString:
		b, _ := v.StringBytes()
		f.add(name, b, holdfast.String)
	case fastjson.TypeNumber:
		var n [32]byte
		f.add(name, v.MarshalTo(n[:0]), holdfast.Number)
	case fastjson.TypeTrue:
		f.add(name, []byte("true"), holdfast.Bool)
	case fastjson.TypeFalse:
		f.add(name, []byte("false"), holdfast.Bool)
	case fastjson.TypeNull:
		f.add(name, nil, holdfast.Null)
	}
}
