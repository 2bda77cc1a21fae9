// Package geoip tells where public addresses lie and whose network they are in,
// by files of the MaxMind format that the user names (MaxMind DB file format
// specification 2.0; City, Country, Enterprise, ISP and ASN databases). Which
// addresses it is asked about is left to ingest.
package geoip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"holdfast"
)

const (
	// maxFile bounds a file: it is held in memory whole, so that nothing happens
	// to a search when somebody writes over it.
	maxFile = 1 << 30
	// maxKnown bounds the addresses whose answer is remembered.
	maxKnown = 50_000
	// maxText bounds a name out of a file.
	maxText = 256
)

// Places answers by the newest whole state of its files. It may be used from
// many goroutines.
type Places struct {
	paths []string
	log   *slog.Logger
	now   atomic.Pointer[state]

	mu       sync.Mutex
	read     map[string]reading
	troubles map[string]string // by path
}

// reading is a file as it was last read.
type reading struct {
	db    *maxminddb.Reader
	size  int64
	mtime time.Time
}

// state is what all files say together. It does not change but for what it
// remembers.
type state struct {
	dbs []*maxminddb.Reader

	mu    sync.RWMutex
	known map[netip.Addr]about
	older map[netip.Addr]about // as many again, of before
}

// about is what is said of an address, once for either end of a connection.
type about struct{ source, destination []holdfast.Field }

// record is the part of an entry that is used. City and Country databases fill
// the one half, ISP and ASN databases the other.
type record struct {
	Continent struct {
		Code string `maxminddb:"code"`
	} `maxminddb:"continent"`
	Country struct {
		Code  string            `maxminddb:"iso_code"`
		Names map[string]string `maxminddb:"names"`
	} `maxminddb:"country"`
	Subdivisions []struct {
		Names map[string]string `maxminddb:"names"`
	} `maxminddb:"subdivisions"`
	City struct {
		Names map[string]string `maxminddb:"names"`
	} `maxminddb:"city"`
	Number       uint   `maxminddb:"autonomous_system_number"`
	Organization string `maxminddb:"autonomous_system_organization"`
}

// Fields are the names under which it answers, below "source." and
// "destination." (ECS 8, field sets geo and as).
func Fields() []string {
	return []string{"geo.continent_code", "geo.country_iso_code", "geo.country_name", "geo.region_name", "geo.city_name", "as.number", "as.organization.name"}
}

// New reads the files. One that cannot be read is a trouble, and is tried again
// by Watch; the others serve meanwhile.
func New(paths []string, log *slog.Logger) *Places {
	p := &Places{paths: paths, log: log, read: map[string]reading{}, troubles: map[string]string{}}
	p.now.Store(&state{})
	p.Refresh()
	return p
}

// Watch reads files that have changed, until ctx ends.
func (p *Places) Watch(ctx context.Context, every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			p.Refresh()
		}
	}
}

// Troubles says of each file that cannot be read why, by its path. What was read
// of it before is still used.
func (p *Places) Troubles() map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make(map[string]string, len(p.troubles))
	for k, v := range p.troubles {
		out[k] = v
	}
	return out
}

// Refresh reads the files that have changed since they were read.
func (p *Places) Refresh() {
	p.mu.Lock()
	defer p.mu.Unlock()
	changed := false
	for _, path := range p.paths {
		r, fresh, err := p.file(path)
		if err != nil {
			if p.troubles[path] != err.Error() {
				p.troubles[path] = err.Error()
				p.log.Warn("a file of places cannot be read", "file", path, "error", err)
			}
			continue
		}
		delete(p.troubles, path)
		if fresh {
			p.read[path], changed = r, true
			p.log.Info("places read", "file", path, "kind", r.db.Metadata.DatabaseType, "made", r.db.Metadata.BuildTime().UTC())
		}
	}
	if !changed {
		return
	}
	next := &state{known: map[netip.Addr]about{}}
	for _, path := range p.paths {
		if r, ok := p.read[path]; ok {
			next.dbs = append(next.dbs, r.db)
		}
	}
	p.now.Store(next)
}

// file reads a file if it is not the one that was read before.
func (p *Places) file(path string) (r reading, fresh bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return r, false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return r, false, err
	}
	before := p.read[path]
	if before.db != nil && before.size == info.Size() && before.mtime.Equal(info.ModTime()) {
		return before, false, nil
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return r, false, fmt.Errorf("%s: no file of at most %d MiB", path, maxFile>>20)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return r, false, err
	}
	db, err := open(raw)
	if err != nil {
		return r, false, fmt.Errorf("%s: %w; it should be a City, Country or ASN database of the MaxMind format (.mmdb)", path, err)
	}
	return reading{db, info.Size(), info.ModTime()}, true, nil
}

// open reads a database, which a stranger may have written.
func open(raw []byte) (db *maxminddb.Reader, err error) {
	defer func() {
		if r := recover(); r != nil {
			db, err = nil, fmt.Errorf("damaged: %v", r)
		}
	}()
	if db, err = maxminddb.OpenBytes(raw); err != nil {
		return nil, err
	}
	for _, kind := range []string{"City", "Country", "Enterprise", "ASN", "ISP"} {
		if strings.Contains(db.Metadata.DatabaseType, kind) {
			return db, nil
		}
	}
	return nil, fmt.Errorf("a database of the kind %q", db.Metadata.DatabaseType)
}

// Append appends what is known of an address to fields, under names that begin
// with of: "source" or "destination". An address that is no public one, or is no
// address, has nothing.
func (p *Places) Append(fields []holdfast.Field, of, address string) []holdfast.Field {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return fields
	}
	addr = addr.Unmap().WithZone("")
	if !public(addr) {
		return fields
	}
	a := p.now.Load().about(addr)
	if of == "destination" {
		return append(fields, a.destination...)
	}
	return append(fields, a.source...)
}

// shared is the space between providers and their customers (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

func public(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !shared.Contains(a)
}

func (s *state) about(addr netip.Addr) about {
	if len(s.dbs) == 0 {
		return about{}
	}
	s.mu.RLock()
	a, ok := s.known[addr]
	old, was := s.older[addr]
	s.mu.RUnlock()
	if ok {
		return a
	}
	if was {
		a = old
	} else {
		a = s.lookup(addr)
	}
	s.mu.Lock()
	if len(s.known) >= maxKnown {
		s.older, s.known = s.known, make(map[netip.Addr]about, maxKnown)
	}
	s.known[addr] = a
	s.mu.Unlock()
	return a
}

func (s *state) lookup(addr netip.Addr) (a about) {
	var r record
	for _, db := range s.dbs {
		_ = look(db, addr, &r) // a damaged entry says nothing of this address
	}
	add := func(name, text string, kind holdfast.Kind) {
		if text = strings.ToValidUTF8(text[:min(len(text), maxText)], "\ufffd"); text != "" {
			a.source = append(a.source, holdfast.Field{Name: "source." + name, Text: text, Kind: kind})
			a.destination = append(a.destination, holdfast.Field{Name: "destination." + name, Text: text, Kind: kind})
		}
	}
	add("geo.continent_code", r.Continent.Code, holdfast.String)
	add("geo.country_iso_code", r.Country.Code, holdfast.String)
	add("geo.country_name", r.Country.Names["en"], holdfast.String)
	if len(r.Subdivisions) > 0 {
		add("geo.region_name", r.Subdivisions[0].Names["en"], holdfast.String)
	}
	add("geo.city_name", r.City.Names["en"], holdfast.String)
	if r.Number > 0 {
		add("as.number", strconv.FormatUint(uint64(r.Number), 10), holdfast.Number)
	}
	add("as.organization.name", r.Organization, holdfast.String)
	return a
}

func look(db *maxminddb.Reader, addr netip.Addr, into *record) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("damaged")
		}
	}()
	return db.Lookup(addr).Decode(into)
}
