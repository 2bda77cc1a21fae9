package main

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"holdfast"
)

// TestPlacesOfAddresses starts with a file of places and one that is damaged. A
// search and a rule ask for the country of an address; the status names the
// damaged file, and events come in all the same.
func TestPlacesOfAddresses(t *testing.T) {
	dir := t.TempDir()
	country, bad := filepath.Join(dir, "country.mmdb"), filepath.Join(dir, "asn.mmdb")
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "GeoLite2-Country", IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	_, network, err := net.ParseCIDR("203.0.113.0/24")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := w.Insert(network, mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String("NL")}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	for path, raw := range map[string][]byte{country: b.Bytes(), bad: []byte("no database")} {
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := newSolo(t, t.TempDir(), "--no-agent", "--geoip", country, "--geoip", bad)
	s.write("rules/country.yml", `title: A login from the Netherlands
id: 5b1f4c30-1111-4c55-9f0e-2f3b6c1d9e77
logsource: {product: linux, service: sshd}
detection:
  from: {source.geo.country_iso_code: NL}
  condition: from
level: medium
`)
	s.start()
	line := strings.ReplaceAll(string(good("root"))+"\n", "192.0.2.7", "203.0.113.7") + strings.ReplaceAll(string(good("root"))+"\n", "192.0.2.7", "198.51.100.7")
	if status, _, answer := s.post(s.inputToken("seed"), "", []byte(line)); status != http.StatusOK {
		t.Fatal(status, answer)
	}
	s.wait(time.Minute, "the country is found by a search and by a rule", func() bool {
		out, _, code := s.run("query", `events | where source.geo.country_iso_code == "NL" | project raw`, "--json")
		var alerts []holdfast.Alert
		s.ask(&alerts, "alerts")
		return code == 0 && strings.Contains(out, "203.0.113.7") && !strings.Contains(out, "198.51.100.7") &&
			len(alerts) == 1 && strings.Contains(alerts[0].Title, "Netherlands")
	})
	if out, _, code := s.run("status"); code != 0 || !strings.Contains(out, bad) || !strings.Contains(out, "City, Country or ASN") {
		t.Errorf("status ended with %d: %s", code, out)
	}
}
