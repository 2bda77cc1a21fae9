package scan

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"holdfast"
	"holdfast/ingest/parser"
	"holdfast/ingest/parser/cloud"
)

// TestCloudTrailCorpus reads every event of the corpus, and has rules of the
// core set fire on the techniques that they are about.
func TestCloudTrailCorpus(t *testing.T) {
	dir := corpus(t, "cloudtrail")
	_, eng, _ := coreSet(t)
	byName := map[string]holdfast.Dataset{}
	for _, d := range cloud.Datasets() {
		byName[d.Name] = d
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal(err, "no files")
	}
	p := cloud.Parser()
	fired := map[string][]string{}
	events := 0
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		base := filepath.Base(name)
		err = objects(bufio.NewReader(bytes.NewReader(b)), maxEvent, func(n uint64, raw []byte) error {
			events++
			got, err := p.Parse(raw, parser.Hint{})
			if err != nil || got.Dataset != "aws.cloudtrail" || got.Time.Year() < 2020 {
				t.Errorf("%s, event %d: %s %v %v", base, n, got.Dataset, got.Time, err)
				return nil
			}
			e := holdfast.Event{Dataset: got.Dataset, Fields: got.Fields, Time: got.Time, Raw: bytes.Clone(raw)}
			for _, h := range eng.Match(&e, byName[got.Dataset]) {
				if !slices.Contains(fired[base], h.Rule.ID) {
					fired[base] = append(fired[base], h.Rule.ID)
					t.Logf("%s: %s %s", base, h.Rule.ID, h.Rule.Title)
				}
			}
			return nil
		}, func(n uint64, what string) { t.Errorf("%s, event %d: %s", base, n, what) })
		if err != nil {
			t.Error(err)
		}
	}
	for base, rule := range map[string]string{
		"aws.defense-evasion.cloudtrail-delete.json":                  "4db60cc0-36fb-42b7-9b58-a5b53019fb74",
		"aws.defense-evasion.cloudtrail-stop.json":                    "4db60cc0-36fb-42b7-9b58-a5b53019fb74",
		"aws.execution.ec2-user-data.json":                            "1ab3c5ed-5baf-417b-bb6b-78ca33f6c3df",
		"aws.exfiltration.ec2-share-ebs-snapshot.json":                "abae8fec-57bd-4f87-aff6-6e3db989843d",
		"aws.initial-access.console-login-without-mfa.json":           "77caf516-34e5-4df9-b4db-20744fea0a60",
		"aws.persistence.iam-create-admin-user.json":                  "0a5177f4-6ca9-44c2-aacf-d3f3d8b6e4d2",
		"aws.persistence.lambda-layer-extension.json":                 "97fbabf8-8e1b-47a2-b7d5-a418d2b95e3d",
		"aws.privilege-escalation.iam-update-user-login-profile.json": "055fb148-60f8-462d-ad16-26926ce050f1",
	} {
		if _, err := os.Stat(filepath.Join(dir, base)); err == nil && !slices.Contains(fired[base], rule) {
			t.Errorf("%s: the rule %s does not fire", base, rule)
		}
	}
	t.Logf("%d events", events)
}

// TestWrapped takes the lists out of the envelopes in which services export
// them, and leaves records alone that only have a list.
func TestWrapped(t *testing.T) {
	for in, want := range map[string]int{
		`{"Records":[{"a":1},{"a":2}]}`:    2,
		`{ "records" : [ {"time":"x"} ] }`: 1,
		`{"records":[]}`:                   0,
		`{"@odata.context":"https://graph.example/v1.0/$metadata","value":[{"id":1},{"id":2}]}`: 2,
		`{"value":[{"id":1}]}`:            1,
		`{"value":[{"id":1}],"name":"x"}`: -1,
		`{"kind":"admin#reports#activities","etag":"e","items":[{"id":{}},{"id":{}}]}`:            2,
		`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[{"verb":""}]}`: 1,
		`{"id":1,"items":[{"sku":1}]}`:                      -1,
		`{"entries":[{"logName":"l"}],"nextPageToken":"n"}`: 1,
		`{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","logEvents":[{"message":"{}"}]}`: 1,
		`{"records":["a","b"]}`: -1,
		`{"records":[{"a":1}`:   -1,
		`{}`:                    -1,
	} {
		got, ok := wrapped([]byte(in))
		if ok != (want >= 0) || ok && len(got) != want {
			t.Errorf("%s: %d records, %v, want %d", in, len(got), ok, want)
		}
	}
}
