package geoip

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"holdfast"
)

// database writes a file of a kind with one network of each entry.
func database(t testing.TB, path, kind string, entries map[string]mmdbtype.Map) []byte {
	t.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: kind, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for network, m := range entries {
		_, n, err := net.ParseCIDR(network)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Insert(n, m); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	write(t, path, b.Bytes())
	return b.Bytes()
}

// write puts a file in place with a time of change that no other has.
func write(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	written++
	if err := os.Chtimes(path, time.Time{}, time.Unix(int64(1_700_000_000+written), 0)); err != nil {
		t.Fatal(err)
	}
}

var written int

func names(en string) mmdbtype.Map {
	return mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String(en)}}
}

func city(country, name, town string) mmdbtype.Map {
	return mmdbtype.Map{
		"continent": mmdbtype.Map{"code": mmdbtype.String("EU")},
		"country":   mmdbtype.Map{"iso_code": mmdbtype.String(country), "names": mmdbtype.Map{"en": mmdbtype.String(name)}},
		"city":      names(town), "subdivisions": mmdbtype.Slice{names("A region")},
	}
}

func places(t testing.TB) (p *Places, cityFile, asFile string) {
	t.Helper()
	dir := t.TempDir()
	cityFile, asFile = filepath.Join(dir, "city.mmdb"), filepath.Join(dir, "asn.mmdb")
	database(t, cityFile, "GeoLite2-City", map[string]mmdbtype.Map{
		"203.0.113.0/24": city("NL", "Netherlands", "Utrecht"), "2001:db8:7::/48": city("SE", "Sweden", "Lund"), "10.0.0.0/8": city("XX", "Nowhere", "Nowhere"),
	})
	database(t, asFile, "GeoLite2-ASN", map[string]mmdbtype.Map{
		"203.0.113.0/25": {"autonomous_system_number": mmdbtype.Uint32(64500), "autonomous_system_organization": mmdbtype.String("Example Net")},
	})
	return New([]string{cityFile, asFile}, slog.New(slog.DiscardHandler)), cityFile, asFile
}

func said(p *Places, of, address string) string {
	var out []string
	for _, f := range p.Append(nil, of, address) {
		out = append(out, f.Name+"="+f.Text)
	}
	return strings.Join(out, " ")
}

func TestPlaces(t *testing.T) {
	p, _, _ := places(t)
	if len(p.Troubles()) > 0 {
		t.Fatal(p.Troubles())
	}
	for address, want := range map[string]string{
		"203.0.113.9":        "source.geo.continent_code=EU source.geo.country_iso_code=NL source.geo.country_name=Netherlands source.geo.region_name=A region source.geo.city_name=Utrecht source.as.number=64500 source.as.organization.name=Example Net",
		"203.0.113.200":      "source.geo.continent_code=EU source.geo.country_iso_code=NL source.geo.country_name=Netherlands source.geo.region_name=A region source.geo.city_name=Utrecht",
		"::ffff:203.0.113.9": said(p, "source", "203.0.113.9"),
		"2001:db8:7::1":      "source.geo.continent_code=EU source.geo.country_iso_code=SE source.geo.country_name=Sweden source.geo.region_name=A region source.geo.city_name=Lund",
		"198.51.100.1":       "",
		"10.1.2.3":           "", // the file says something of it, and is not asked
		"100.64.1.1":         "",
		"fe80::1%eth0":       "",
		"127.0.0.1":          "",
		"no address":         "",
		"":                   "",
	} {
		for range 2 { // looked up, and remembered
			if got := said(p, "source", address); got != want {
				t.Errorf("%s: %s", address, got)
			}
		}
	}
	if got := said(p, "destination", "203.0.113.9"); !strings.Contains(got, "destination.as.number=64500") || strings.Contains(got, "source.") {
		t.Error(got)
	}
	before := []holdfast.Field{{Name: "a", Text: "b"}}
	if got := p.Append(before, "source", "203.0.113.9"); got[0] != before[0] || len(got) != 8 || got[6].Kind != holdfast.Number {
		t.Error(got)
	}
}

// TestFilesChange exchanges files under it: what is whole is used at once, and
// what is not leaves what was there, with a reason.
func TestFilesChange(t *testing.T) {
	p, cityFile, asFile := places(t)
	good := said(p, "source", "203.0.113.9")
	whole := database(t, cityFile, "GeoLite2-City", map[string]mmdbtype.Map{"203.0.113.0/24": city("BE", "Belgium", "Gent")})
	p.Refresh()
	if got := said(p, "source", "203.0.113.9"); got != strings.NewReplacer("NL", "BE", "Netherlands", "Belgium", "Utrecht", "Gent").Replace(good) {
		t.Error(got)
	}
	good = said(p, "source", "203.0.113.9")
	foreign := filepath.Join(t.TempDir(), "x")
	for name, bad := range map[string][]byte{
		"nothing": {}, "text": []byte("country,NL\n"), "its first half": whole[:len(whole)/2], "another kind": database(t, foreign, "Example-Words", map[string]mmdbtype.Map{"203.0.113.0/24": {}}),
	} {
		write(t, cityFile, bad)
		p.Refresh()
		if why := p.Troubles()[cityFile]; !strings.Contains(why, cityFile) || !strings.Contains(why, "City, Country or ASN") {
			t.Errorf("%s: %q", name, why)
		}
		if got := said(p, "source", "203.0.113.9"); got != good {
			t.Errorf("%s: %s", name, got)
		}
	}
	if err := os.Remove(asFile); err != nil {
		t.Fatal(err)
	}
	p.Refresh()
	if len(p.Troubles()) != 2 || said(p, "source", "203.0.113.9") != good {
		t.Error(p.Troubles())
	}
	write(t, cityFile, whole)
	database(t, asFile, "GeoLite2-ASN", nil)
	p.Refresh()
	if got := said(p, "source", "203.0.113.9"); len(p.Troubles()) != 0 || strings.Contains(got, "as.number") || !strings.Contains(got, "BE") {
		t.Error(p.Troubles(), got)
	}
}

// TestMemoryIsBounded asks about more addresses than are remembered.
func TestMemoryIsBounded(t *testing.T) {
	p, _, _ := places(t)
	s := p.now.Load()
	for i := range 3 * maxKnown {
		p.Append(nil, "source", fmt.Sprintf("198.%d.%d.%d", 20+i>>16, i>>8&255, i&255))
		if len(s.known) > maxKnown || len(s.older) > maxKnown {
			t.Fatal(len(s.known), len(s.older))
		}
	}
}

// FuzzDatabase reads damaged files: an error or an answer, and never a panic.
func FuzzDatabase(f *testing.F) {
	dir := f.TempDir()
	f.Add(database(f, filepath.Join(dir, "c"), "GeoLite2-City", map[string]mmdbtype.Map{"203.0.113.0/24": city("NL", "Netherlands", "Utrecht")}))
	f.Add(database(f, filepath.Join(dir, "a"), "GeoLite2-ASN", map[string]mmdbtype.Map{"203.0.113.0/24": {"autonomous_system_number": mmdbtype.Uint32(1)}}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		db, err := open(raw)
		if err != nil {
			return
		}
		var r record
		for _, a := range []string{"203.0.113.9", "2001:db8::1"} {
			_ = look(db, netip.MustParseAddr(a), &r)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	p, _, _ := places(b)
	fields := make([]holdfast.Field, 0, 16)
	b.ReportAllocs()
	for b.Loop() {
		fields = p.Append(fields[:0], "source", "203.0.113.9")
	}
	if diff := cmp.Diff(7, len(fields)); diff != "" {
		b.Fatal(diff)
	}
}
