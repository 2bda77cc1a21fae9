package cloud

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/valyala/fastjson"

	"holdfast/ingest/parser"
)

const trail = `{"eventVersion":"1.09","userIdentity":{"type":"IAMUser","sessionContext":{"attributes":{"mfaAuthenticated":"false"}}},"eventTime":"2026-11-23T10:15:04Z",` +
	`"eventSource":"s3.amazonaws.com","eventName":"GetObject","requestParameters":{"a":["b c",1.50,true,null],"n":{}},"responseElements":null,"readOnly":true}`

// FuzzTrail: what is read without a tree is what is read with one.
func FuzzTrail(f *testing.F) {
	b, err := os.ReadFile("testdata/lines.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range bytes.SplitSeq(b, []byte("\n")) {
		if bytes.HasPrefix(line, []byte(`{"eventVersion"`)) {
			f.Add(bytes.Clone(line))
		}
	}
	f.Add([]byte(trail))
	for _, x := range []string{
		`"errorCode":"AccessDenied"`, `"errorCode":["x"]`, `"errorMessage":""`, `"status":{}`, `"responseElements":{"ConsoleLogin":"Failure"}`, `"requestParameters":{"userData":"x"}`,
		`"requestParameters": { "b" : 1 }`, `"additionalEventData":[1,{"x":"ü"}]`, `"serviceEventDetails":{}`, `"message":"{}"`, `"AuditData":{}`, `"category":"kube-audit"`, `"a.b":1`, `"":1`,
		`"eventTime":"yesterday"`, `"eventTime":"2026-11-23T10:15:04Z"`, `"x":-`, `"x":1e5`, `"x":"\\u0041"`, `"deep":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]`,
	} {
		f.Add([]byte(strings.TrimSuffix(trail, "}") + "," + x + "}"))
		f.Add([]byte(`{"eventVersion":"1",` + x + "," + trail[1:]))
	}
	t1, all := newTrails(), kinds()
	f.Fuzz(func(t *testing.T, raw []byte) {
		for range 2 { // the second time its layout is known
			got, ok := t1.read(raw, nil)
			if !ok {
				return
			}
			want, err := parse(all, new(fastjson.Parser), raw)
			if err != nil {
				t.Fatalf("%s: %v", raw, err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s: %s", raw, d)
			}
		}
	})
}

// TestTrail: records as they mostly come are read without a tree.
func TestTrail(t *testing.T) {
	var m parser.Memory
	for range 2 {
		if p, ok := newTrails().read([]byte(trail), &m); !ok || len(p.Fields) != 14 {
			t.Errorf("%v %d fields", ok, len(p.Fields))
		}
	}
}
