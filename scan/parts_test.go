package scan

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"holdfast"
	"holdfast/ingest/parser/all"
)

// TestSeveralInOne holds that each flow of a record is an event, that those which
// cannot be read are named, and that each keeps its own part of the record.
func TestSeveralInOne(t *testing.T) {
	file := filepath.Join(t.TempDir(), "PT1H.json")
	const text = `{"records":[{"time":"2026-11-23T02:00:35Z","category":"NetworkSecurityGroupFlowEvent","operationName":"NetworkSecurityGroupFlowEvents","resourceId":"/x","properties":{"Version":2,"flows":[` +
		`{"rule":"DenyAll","flows":[{"mac":"000D3AF87856","flowTuples":["1795399202,203.0.113.190,10.5.16.4,28746,22,T,I,D,B,,,,","1795399203,203.0.113.191,10.5.16.4,port,22,T,I,D,B,,,,"]}]},` +
		`{"rule":"Web","flows":[{"mac":"000D3AF87856","flowTuples":["1795399204,203.0.113.192,10.5.16.4,28746,443,T,I,A,B,,,,"]}]}]}}]}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var got []string
	sum, err := Run(t.Context(), Options{
		Paths: []string{file}, Parsers: all.All(),
		Each: func(_ string, number uint64, e *holdfast.Event, d holdfast.Dataset) {
			got = append(got, fmt.Sprint(number, d.Name, e.Text("action"), e.Text("rule"), e.Time.Unix(), bytes.Count(e.Raw, []byte("28746")) == 1))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{fmt.Sprint(1, "azure.nsgflow", "deny", "DenyAll", 1795399202, true), fmt.Sprint(1, "azure.nsgflow", "allow", "Web", 1795399204, true)}
	if fmt.Sprint(got) != fmt.Sprint(want) || sum.Events != 3 || len(sum.Left) != 1 {
		t.Errorf("%v, %+v", got, sum)
	}
}
