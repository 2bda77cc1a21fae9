// Package azureflow reads the flow logs of Azure's network security groups,
// versions 1 and 2, and of its virtual networks, version 4. A record holds the
// flows of one minute, and each becomes an event of its own; taking records out of
// the list around them is left to the inputs.
package azureflow

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/valyala/fastjson"

	"holdfast"
	"holdfast/ingest/parser"
)

// Parser describes the parser.
func Parser() parser.Parser {
	marks := parser.NewMarks(`"flowTuples"`)
	pool := new(fastjson.ParserPool)
	return parser.Parser{
		Name:  "azureflow",
		Title: "Azure flow logs",
		Description: "Flow logs of network security groups (versions 1 and 2) and of virtual networks (version 4). Each flow of a record becomes an event, which keeps " +
			"the record with this flow alone. The flow's values have the names of Azure's documentation, the same in both; `action` says in a word whether it was let through.",
		References: []string{
			"https://learn.microsoft.com/en-us/azure/network-watcher/nsg-flow-logs-overview#log-format",
			"https://learn.microsoft.com/en-us/azure/network-watcher/vnet-flow-logs-overview#log-format",
		},
		Datasets: []holdfast.Dataset{
			dataset("azure.nsgflow", "Azure network security group flow logs", "nsgflow"),
			dataset("azure.vnetflow", "Azure virtual network flow logs", "vnetflow"),
		},
		Form: parser.Object,
		Parse: func(raw []byte, _ parser.Hint) (parser.Parsed, error) {
			if len(raw) == 0 || raw[0] != '{' || !marks.In(raw) {
				return parser.Parsed{}, parser.ErrOther
			}
			p := pool.Get()
			defer pool.Put(p)
			return parse(p, raw)
		},
	}
}

func dataset(name, title, service string) holdfast.Dataset {
	return holdfast.Dataset{
		Name: name, Title: title,
		Logsource: holdfast.Logsource{Product: "azure", Service: service},
		Also:      []holdfast.Logsource{{Category: "firewall"}},
		ECS: map[string]string{
			"sourceIP": holdfast.EntitySource, "destinationIP": holdfast.EntityDestination, "sourcePort": "source.port", "destinationPort": "destination.port",
			"bytesSent": "source.bytes", "bytesReceived": "destination.bytes", "packetsSent": "source.packets", "packetsReceived": "destination.packets",
			"action": "event.action", "rule": "rule.name", "flowDirection": "network.direction",
		},
		Alias: map[string]string{"src_ip": "sourceIP", "dst_ip": "destinationIP", "src_port": "sourcePort", "dst_port": "destinationPort"},
		Whole: true,
	}
}

// form is one of the two layouts: the keys on the way to the flows, the outermost
// first, and what a flow's values are called.
type form struct {
	dataset string
	keys    [3]string // of an object, of a list of rules' flows, of a list of flows
	columns []string
	least   int // values that an earlier version of it has as well
}

func forms() [2]form {
	return [2]form{
		{
			"azure.nsgflow",
			[3]string{"properties", "flows", "flows"},
			[]string{
				timeColumn, "sourceIP", "destinationIP", "sourcePort", "destinationPort", "protocol", "flowDirection", "flowDecision", "flowState",
				"packetsSent", "bytesSent", "packetsReceived", "bytesReceived",
			},
			8,
		},
		{
			"azure.vnetflow",
			[3]string{"flowRecords", "flows", "flowGroups"},
			[]string{
				timeColumn, "sourceIP", "destinationIP", "sourcePort", "destinationPort", "protocol", "flowDirection", "flowState", "flowEncryption",
				"packetsSent", "bytesSent", "packetsReceived", "bytesReceived",
			},
			13,
		},
	}
}

const tuples = "flowTuples"

func parse(p *fastjson.Parser, raw []byte) (parser.Parsed, error) {
	v, err := p.ParseBytes(raw)
	if err != nil || v.Type() != fastjson.TypeObject {
		return parser.Parsed{}, parser.ErrOther // the parser of any JSON says what is damaged
	}
	for _, f := range forms() {
		if outer := v.Get(f.keys[0]); outer != nil && outer.Get(f.keys[1]) != nil {
			r := reader{form: f}
			r.walk(v, 0, frame{})
			return r.done()
		}
	}
	return parser.Parsed{}, parser.ErrOther
}

// frame is what stands around a flow: the bytes before and behind it, and the
// fields that they hold.
type frame struct {
	before, behind []byte
	fields         []holdfast.Field
}

// reader goes through one record.
type reader struct {
	form
	parts []parser.Part
	last  frame // of the newest flow, or of the record if it has none
	bytes int
	err   error
}

// walk goes down to the flows. At 0 v is the record, at 1 the object around the
// list of rules, at 2 one rule or list of access, at 3 one group of flows.
func (r *reader) walk(v *fastjson.Value, depth int, around frame) {
	key := tuples
	if depth < len(r.keys) {
		key = r.keys[depth]
	}
	inner := r.open(v, key, around)
	r.last = inner
	at := v.Get(key)
	switch {
	case r.err != nil || at == nil:
	case depth == 0:
		if at.Type() != fastjson.TypeObject {
			r.err = fmt.Errorf("%s is no object", key)
			return
		}
		r.walk(at, 1, inner)
	case at.Type() != fastjson.TypeArray:
		r.err = fmt.Errorf("%s is no list", key)
	default:
		inner.before = append(inner.before, '[')
		inner.behind = append([]byte{']'}, inner.behind...)
		for _, x := range at.GetArray() {
			if depth == 3 {
				r.flow(x, inner)
			} else {
				r.walk(x, depth+1, inner)
			}
			if r.err != nil {
				return
			}
		}
	}
}

// open adds an object to what stands around, but for the member of which it is
// the frame.
func (r *reader) open(v *fastjson.Value, hole string, around frame) frame {
	o, err := v.Object()
	if err != nil {
		r.err = fmt.Errorf("around %s stands no object", hole)
		return around
	}
	out := frame{
		before: append(bytes.Clone(around.before), '{'),
		fields: around.fields[:len(around.fields):len(around.fields)],
	}
	found := false
	var behind []byte
	o.Visit(func(key []byte, v *fastjson.Value) {
		switch {
		case r.err != nil:
			return
		case string(key) == hole && found:
			r.err = fmt.Errorf("%s stands twice", hole)
			return
		case string(key) == hole:
			found = true
			out.before = append(holdfast.AppendJSONString(out.before, hole), ':')
			return
		}
		name := strings.ToValidUTF8(string(key), "\ufffd") // as it is written below
		if found {
			behind = v.MarshalTo(append(holdfast.AppendJSONString(append(behind, ','), name), ':'))
		} else {
			out.before = append(v.MarshalTo(append(holdfast.AppendJSONString(out.before, name), ':')), ',')
		}
		r.member(&out, name, v)
	})
	out.behind = append(append(behind, '}'), around.behind...)
	if len(out.before)+len(out.behind) > maxFrame {
		r.err = fmt.Errorf("more than %d bytes stand around the flows", maxFrame)
	}
	return out
}

// maxFrame bounds what stands around the flows, as it is kept with each.
const maxFrame = 16 << 10

func (r *reader) member(to *frame, name string, v *fastjson.Value) {
	f := holdfast.Field{Name: name}
	switch v.Type() {
	case fastjson.TypeString:
		f.Text = string(v.GetStringBytes())
	case fastjson.TypeNull:
		f.Kind = holdfast.Null
	case fastjson.TypeNumber:
		f.Text, f.Kind = string(v.MarshalTo(nil)), holdfast.Number
	case fastjson.TypeTrue, fastjson.TypeFalse:
		f.Text, f.Kind = string(v.MarshalTo(nil)), holdfast.Bool
	default: // nothing that is documented
		f.Text = string(v.MarshalTo(nil))
	}
	switch {
	case name == "" || len(name) > parser.MaxName:
		r.err = fmt.Errorf("a field's name has %d bytes, 1 to %d are allowed", len(name), parser.MaxName)
	case len(to.fields) >= maxAround:
		r.err = fmt.Errorf("more than %d fields stand around the flows", maxAround)
	default:
		to.fields = append(to.fields, f)
	}
}

// maxAround bounds the fields of a frame.
const maxAround = 64

func (r *reader) flow(v *fastjson.Value, around frame) {
	raw := make([]byte, 0, len(around.before)+len(around.behind)+96)
	raw = append(v.MarshalTo(append(raw, around.before...)), around.behind...)
	switch r.bytes += len(raw); {
	case r.bytes > parser.MaxPartBytes:
		r.err = fmt.Errorf("its flows would take more than %d bytes", parser.MaxPartBytes)
		return
	case len(r.parts) >= parser.MaxParts:
		r.err = fmt.Errorf("more than %d flows", parser.MaxParts)
		return
	}
	one := parser.Part{Raw: raw}
	if v.Type() != fastjson.TypeString {
		one.Err = errors.New("a flow is no text")
	} else {
		one.Parsed, one.Err = r.values(v.GetStringBytes(), around.fields)
	}
	r.parts = append(r.parts, one)
}

// done gives a record with one flow as it came, others flow by flow. One that has
// none is an event that says so.
func (r *reader) done() (parser.Parsed, error) {
	switch {
	case r.err != nil:
		return parser.Parsed{}, r.err
	case len(r.parts) == 1:
		return r.parts[0].Parsed, r.parts[0].Err
	case len(r.parts) == 0:
		return parser.Parsed{Dataset: r.dataset, Time: clockOf(r.last.fields), Fields: r.last.fields, Trouble: "a record without flows"}, nil
	}
	return parser.Parsed{Parts: r.parts}, nil
}
