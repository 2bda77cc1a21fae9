package requirement

import (
	"errors"
	"strings"
	"testing"
	"time"

	"holdfast"
)

const good = `requirements:
- id: ssh-hard
  say: Nobody logs in over SSH as root or with a password
  owner: platform
  state: {on: "kind=host", settings: {ssh.password_auth: false}}
  maps: {csf: [PR.AA-03]}
exceptions:
- {requirement: ssh-hard, for: "host=fax", because: no keys, owner: ops, approved-by: ciso, expires: 2027-02-01}
`

func TestParse(t *testing.T) {
	d, faults := Parse("a.yaml", []byte(good))
	if len(faults) > 0 || len(d.Requirements) != 1 || len(d.Exceptions) != 1 {
		t.Fatalf("got %+v, faults %v", d, faults)
	}
	q, e := d.Requirements[0], d.Exceptions[0]
	if q.State.Settings["ssh.password_auth"] != "false" || q.Maps["csf"][0] != "PR.AA-03" {
		t.Errorf("got %+v", q)
	}
	if e.Live(e.Expires) || !e.Live(e.Expires.Add(-time.Second)) {
		t.Error("the exception does not end at its expiry")
	}
}

func TestFaults(t *testing.T) {
	for in, want := range map[string]string{
		strings.Replace(good, "owner: platform", "ownr: platform", 1): `a.yaml:4:3: there is no key "ownr" here; did you mean "owner"?`,
		strings.Replace(good, "kind=host", "kind", 1):                 "a.yaml:5:15: selector, column 1",
		strings.Replace(good, "2027-02-01", "soon", 1):                "is no day",
		"- &a {id: x}\n- *a": "a.yaml:1:3: anchors",
		"- 1":                "a.yaml:1:3: should be a map",
		good[14:strings.Index(good, "exc")] + good[14:strings.Index(good, "exc")]: "already used on line 1",
	} {
		_, faults := Parse("a.yaml", []byte(in))
		if len(faults) == 0 || !strings.Contains(faults[0].Error(), want) || !errors.Is(faults[0], holdfast.ErrInvalid) {
			t.Errorf("%s\ngot %v, want %s", in, faults, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Fuzz(func(t *testing.T, b []byte) { Parse("f", b) })
}
