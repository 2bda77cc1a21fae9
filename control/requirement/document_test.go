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

// TestTheDesignsExample reads the example of the language, as a map with its
// exceptions and as a bare list.
func TestTheDesignsExample(t *testing.T) {
	const list = `- id: pay-reach
  say: Payment systems are reached only from the app tier, over TLS 1.2 or better
  owner: payments
  reach: {from: "tier=app", to: "data=cardholder", ports: [443/tcp], tls: ">=1.2", only: true}
  maps: {nist-800-53: [SC-7(5), SC-8], csf: [PR.IR-01, PR.DS-02]}
- id: ssh-hard
  say: Nobody logs in over SSH as root or with a password
  owner: platform
  state: {on: "kind=host env=prod", settings: {ssh.password_auth: false, ssh.root_login: false}}
- id: patch-sla
  say: Known-exploited holes are closed in 48 hours, critical ones in a week
  owner: platform
  within: {on: "kind=host env=prod", from: vuln.published, until: vuln.fixed,
           limits: [{when: "vuln.kev", max: 48h}, {when: "vuln.severity == 'critical'", max: 168h}]}
`
	const exceptions = `exceptions:
- {requirement: ssh-hard, for: "host=legacy-fax-01", because: vendor cannot use keys,
   owner: ops, approved-by: ciso, expires: 2027-02-01}
`
	for text, excs := range map[string]int{list: 0, "requirements:\n" + list + exceptions: 1} {
		d, faults := Parse("a.yaml", []byte(text))
		if len(faults) > 0 || len(d.Requirements) != 3 || len(d.Exceptions) != excs {
			t.Fatalf("%+v %v", d, faults)
		}
		if r, w := d.Requirements[0].Reach, d.Requirements[2].Within; !r.Only || r.TLS != ">=1.2" || len(w.Limits) != 2 || w.Limits[1].Max != 168*time.Hour {
			t.Errorf("%+v %+v", r, w)
		}
	}
}
