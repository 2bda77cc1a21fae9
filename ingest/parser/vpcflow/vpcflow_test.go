package vpcflow_test

import (
	"errors"
	"testing"

	"holdfast"
	"holdfast/ingest/parser"
	"holdfast/ingest/parser/parsertest"
	"holdfast/ingest/parser/vpcflow"
)

// v5 is a form of one's own, with the columns that came with versions 3 to 5.
const v5 = "version vpc-id subnet-id instance-id srcaddr dstaddr srcport dstport tcp-flags type pkt-srcaddr pkt-dstaddr region az-id flow-direction traffic-path start action\n" +
	"5 vpc-1 subnet-1 i-01 10.0.1.12 203.0.113.5 43416 443 2 IPv4 10.0.1.12 203.0.113.5 eu-central-1 euc1-az2 egress 8 1795657800 ACCEPT"

func TestHeader(t *testing.T) {
	got, err := vpcflow.Parser().Parse([]byte(v5), parser.Hint{})
	if err != nil {
		t.Fatal(err)
	}
	e := holdfast.Event{Fields: got.Fields}
	for name, want := range map[string]string{"instance-id": "i-01", "pkt-dstaddr": "203.0.113.5", "flow-direction": "egress", "tcp-flags": "2"} {
		if e.Text(name) != want {
			t.Errorf("%s is %q, want %q", name, e.Text(name), want)
		}
	}
	if got.Time.Unix() != 1795657800 {
		t.Errorf("the time is %v", got.Time)
	}
	d := vpcflow.Parser().Datasets[0]
	if got := d.Entities(&e); len(got) != 2 {
		t.Errorf("entities: %v", got)
	}
	if _, err := vpcflow.Parser().Parse([]byte("version account-id srcaddr dstaddr\n2 1"), parser.Hint{}); err == nil || errors.Is(err, parser.ErrOther) {
		t.Errorf("a line that is short: %v", err)
	}
}

func FuzzParse(f *testing.F) { parsertest.Fuzz(f, vpcflow.Parser(), v5) }
