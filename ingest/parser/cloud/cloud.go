// Package cloud reads the audit records of cloud, SaaS, Kubernetes and identity
// providers, as they export them in JSON: alone, or in the envelopes of
// EventBridge, CloudWatch Logs, Pub/Sub, Event Hubs and of searches. It tells
// them apart by their keys.
package cloud

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"holdfast"
	"holdfast/ingest/parser"
)

// kind is one sort of record.
type kind struct {
	dataset holdfast.Dataset
	is      func(r *record) bool
	// hoist says that what stands under "properties" is the record itself, and
	// what is around it an envelope.
	hoist bool
	time  []string        // paths to the time, the best first
	host  []string        // paths to the host's name
	more  func(r *record) // adds the fields that rules ask for and no plain field holds
}

// kinds lists them, the more particular before the more general.
func kinds() []kind {
	var out []kind
	for _, family := range [...][]kind{aws(), kubernetes(), m365(), workspace(), gcp(), azure(), okta(), github(), saas()} {
		out = append(out, family...)
	}
	return out
}

// Parser describes the parser.
func Parser() parser.Parser {
	all := kinds()
	pool := new(fastjson.ParserPool)
	trails := newTrails()
	return parser.Parser{
		Name:  "cloud",
		Title: "Cloud audit logs",
		Description: "Audit records of AWS, Azure and Entra, Microsoft 365, Google Cloud and Workspace, Okta, GitHub, Kubernetes and others. " +
			"Fields keep their native names; those of Azure's \"properties\" stand at the root for Entra, so that the forms of Graph and of diagnostic settings agree.",
		References: []string{
			"https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html",
			"https://learn.microsoft.com/en-us/azure/azure-monitor/platform/activity-log-schema",
			"https://learn.microsoft.com/en-us/graph/api/resources/signin",
			"https://learn.microsoft.com/en-us/office/office-365-management-api/office-365-management-activity-api-schema",
			"https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry",
			"https://developers.google.com/workspace/admin/reports/reference/rest/v1/activities",
			"https://developer.okta.com/docs/api/openapi/okta-management/management/tag/SystemLog/",
			"https://docs.github.com/en/enterprise-cloud@latest/admin/monitoring-activity-in-your-enterprise/reviewing-audit-logs-for-your-enterprise/audit-log-events-for-your-enterprise",
			"https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/",
		},
		Datasets: Datasets(),
		Form:     parser.Object,
		Parse: func(raw []byte, hint parser.Hint) (parser.Parsed, error) {
			if p, ok := trails.read(raw, hint.Into); ok {
				return p, nil
			}
			p := pool.Get()
			defer pool.Put(p)
			return parse(all, p, raw)
		},
	}
}

// Datasets lists one for each sort of record.
func Datasets() []holdfast.Dataset {
	var out []holdfast.Dataset
	for _, k := range kinds() {
		out = append(out, k.dataset)
	}
	return out
}

// marks are keys of which at least one stands in every record that is read
// here; the others are not worth a closer look.
var marks = [...][]byte{
	[]byte(`"eventVersion"`), []byte(`"schemaVersion"`), []byte(`"message"`), []byte(`"audit.k8s.io/`), []byte(`"operationName"`), []byte(`"OperationName`),
	[]byte(`"createdDateTime"`), []byte(`"activityDateTime"`), []byte(`"detectedDateTime"`), []byte(`AlertIncident`), []byte(`"Workload"`), []byte(`"AuditData"`),
	[]byte(`"protoPayload"`), []byte(`reports#activity"`), []byte(`"published"`), []byte(`"action"`), []byte(`"auditType"`), []byte(`"event_type`),
	[]byte(`"TimeGenerated"`), []byte(`"CloudTrailEvent"`),
}

func marked(raw []byte) bool {
	for _, m := range marks {
		if bytes.Contains(raw, m) {
			return true
		}
	}
	return false
}

func parse(kinds []kind, p *fastjson.Parser, raw []byte) (parser.Parsed, error) {
	if head := bytes.TrimLeft(raw[:min(len(raw), 64)], " \t\r\n"); len(head) == 0 || head[0] != '{' || !marked(raw) {
		return parser.Parsed{}, parser.ErrOther
	}
	v, err := p.ParseBytes(raw)
	if err != nil || v.Type() != fastjson.TypeObject {
		return parser.Parsed{}, parser.ErrOther // the parser of any JSON says what is damaged
	}
	for range 4 { // envelopes may stand in envelopes
		inner := open(v)
		if inner == nil {
			break
		}
		v = inner
	}
	r := record{v: v, base: v}
	for i := range kinds {
		k := &kinds[i]
		if !k.is(&r) {
			continue
		}
		if k.hoist {
			if in := v.Get("properties"); in != nil && in.Type() == fastjson.TypeObject {
				r.base = in
			}
		}
		r.flatten(k.hoist)
		if r.err != nil {
			return parser.Parsed{}, r.err
		}
		if k.more != nil {
			k.more(&r)
		}
		out := parser.Parsed{Dataset: k.dataset.Name, Fields: r.fields}
		for _, path := range k.time {
			if t, ok := clock(r.get(path)); ok {
				out.Time = t
				break
			}
		}
		for _, path := range k.host {
			if out.Host = r.text(path); out.Host != "" {
				break
			}
		}
		return out, nil
	}
	return parser.Parsed{}, parser.ErrOther
}

// open returns the record that stands in an envelope, or nil.
func open(v *fastjson.Value) *fastjson.Value {
	object := func(x *fastjson.Value) *fastjson.Value {
		if x != nil && x.Type() == fastjson.TypeObject {
			return x
		}
		return nil
	}
	text := func(b []byte) *fastjson.Value {
		b = bytes.TrimSpace(b)
		if len(b) < 2 || b[0] != '{' || b[len(b)-1] != '}' {
			return nil
		}
		x, err := fastjson.ParseBytes(b)
		if err != nil {
			return nil
		}
		return object(x)
	}
	switch {
	case v.Exists("detail-type") && v.Exists("source"): // EventBridge
		return object(v.Get("detail"))
	case v.Exists("AuditData"): // what Search-UnifiedAuditLog gives
		if x := object(v.Get("AuditData")); x != nil {
			return x
		}
		return text(v.GetStringBytes("AuditData"))
	case v.Exists("CloudTrailEvent"): // what cloudtrail lookup-events gives
		return text(v.GetStringBytes("CloudTrailEvent"))
	case v.Exists("message", "data"): // Pub/Sub, pushed
		b, err := base64.StdEncoding.DecodeString(string(v.GetStringBytes("message", "data")))
		if err != nil {
			return nil
		}
		return text(b)
	case v.Exists("message") && (v.Exists("logStreamName") || v.Exists("eventId") || v.Exists("ingestionTime") || v.Exists("id") && v.Exists("timestamp")):
		return text(v.GetStringBytes("message")) // CloudWatch Logs
	case bytes.HasPrefix(v.GetStringBytes("category"), []byte("kube-audit")): // AKS
		if x := text(v.GetStringBytes("properties", "log")); x != nil {
			return x
		}
		return text(v.GetStringBytes("log"))
	}
	return nil
}

// record is one record, and the fields found in it.
type record struct {
	v      *fastjson.Value // all of it
	base   *fastjson.Value // where its own keys stand
	fields []holdfast.Field
	err    error
}

// has reports whether all keys are there, at the top.
func (r *record) has(keys ...string) bool {
	for _, k := range keys {
		if !r.v.Exists(k) {
			return false
		}
	}
	return true
}

// get looks a dotted path up, where the record's own keys stand and then at the
// top.
func (r *record) get(path string) *fastjson.Value {
	keys := strings.Split(path, ".")
	if x := r.base.Get(keys...); x != nil {
		return x
	}
	if r.base == r.v {
		return nil
	}
	return r.v.Get(keys...)
}

// text returns the first of the paths that holds a text or a number.
func (r *record) text(paths ...string) string {
	for _, p := range paths {
		if s := plain(r.get(p)); s != "" {
			return s
		}
	}
	return ""
}

// tree returns the first of the paths that holds an object or a list, also one
// that is written as a text.
func (r *record) tree(paths ...string) *fastjson.Value {
	for _, p := range paths {
		x := r.get(p)
		if x == nil {
			continue
		}
		switch x.Type() {
		case fastjson.TypeObject, fastjson.TypeArray:
			return x
		case fastjson.TypeString:
			b := x.GetStringBytes()
			if len(b) > 1 && (b[0] == '{' || b[0] == '[') {
				if in, err := fastjson.ParseBytes(b); err == nil {
					return in
				}
			}
		default:
		}
	}
	return nil
}

// items are the objects of a list, or the object alone.
func items(x *fastjson.Value) []*fastjson.Value {
	if x == nil {
		return nil
	}
	if x.Type() == fastjson.TypeObject {
		return []*fastjson.Value{x}
	}
	return x.GetArray()
}

// plain is the text of a string, number or truth value, else "".
func plain(x *fastjson.Value) string {
	if x == nil {
		return ""
	}
	switch x.Type() {
	case fastjson.TypeString:
		return string(x.GetStringBytes())
	case fastjson.TypeNumber:
		return string(x.MarshalTo(nil))
	case fastjson.TypeTrue:
		return "true"
	case fastjson.TypeFalse:
		return "false"
	default:
		return ""
	}
}

// add adds a field that rules ask for, if it says anything and there is room.
func (r *record) add(name string, texts ...string) {
	for _, t := range texts {
		if t != "" && name != "" && len(name) <= parser.MaxName && len(r.fields) < parser.MaxFields {
			r.fields = append(r.fields, holdfast.Field{Name: name, Text: t})
		}
	}
}

// addTree adds an object or a list as one text, for rules that look for a word
// anywhere in it.
func (r *record) addTree(name string, x *fastjson.Value) {
	if x == nil {
		return
	}
	if t := x.Type(); t == fastjson.TypeObject || t == fastjson.TypeArray {
		r.add(name, string(x.MarshalTo(nil)))
	}
}

// clock reads a time: RFC 3339, the same without a zone (then it is UTC), as
// Azure writes it for Americans, or a count since 1970.
func clock(x *fastjson.Value) (time.Time, bool) {
	if x == nil {
		return time.Time{}, false
	}
	if x.Type() == fastjson.TypeObject { // Bitbucket's
		sec, nano := x.GetInt64("epochSecond"), x.GetInt64("nano")
		return time.Unix(sec, nano).UTC(), sec > 0 && nano >= 0 && nano < 1e9
	}
	s := plain(x)
	if s == "" || len(s) > 64 {
		return time.Time{}, false
	}
	for _, layout := range [...]string{
		time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04:05.999999999-0700",
		"2006-01-02 15:04:05.999999999 MST", "2006-01-02 15:04:05.999999999", "1/2/2006 3:04:05 PM", "1/2/2006 3:04:05 PM -07:00",
	} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil || n < 1e8 || n > 1e17:
		return time.Time{}, false
	case n > 1e14:
		return time.UnixMicro(n).UTC(), true
	case n > 1e11:
		return time.UnixMilli(n).UTC(), true
	}
	return time.Unix(n, 0).UTC(), true
}
