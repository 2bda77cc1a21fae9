package detect

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"holdfast"
	"holdfast/detect/sigma"
)

const maxFiles = 50_000

// Source is a place with rules: all *.yml and *.yaml files below it, except
// test cases (*.test.yml).
type Source struct {
	Name string // stands before file names in faults
	FS   fs.FS
}

// Dir is a folder as a Source.
func Dir(name string) Source { return Source{name, os.DirFS(name)} }

func isRule(name string) bool {
	ext := path.Ext(name)
	return (ext == ".yml" || ext == ".yaml") && !isCases(name)
}

func isCases(name string) bool {
	return strings.HasSuffix(name, ".test.yml") || strings.HasSuffix(name, ".test.yaml")
}

// walk calls f for every file of a source whose name keep accepts.
func (s Source) walk(keep func(string) bool, f func(name string, d fs.DirEntry)) holdfast.Faults {
	var faults holdfast.Faults
	n := 0
	err := fs.WalkDir(s.FS, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			faults = append(faults, holdfast.Fault{File: s.path(name), What: "cannot be read: " + err.Error(), Do: "check that it is there and may be read"})
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
		case d.IsDir() || !keep(name):
		case n == maxFiles:
			faults = append(faults, holdfast.Fault{File: s.path("."), What: fmt.Sprintf("holds more than %d rule files", maxFiles), Do: "split it"})
			return fs.SkipAll
		default:
			n++
			f(name, d)
		}
		return nil
	})
	if err != nil {
		faults = append(faults, holdfast.Fault{File: s.path("."), What: "cannot be read: " + err.Error(), Do: "check that it is there and may be read"})
	}
	return faults
}

func (s Source) path(name string) string { return filepath.ToSlash(filepath.Join(s.Name, name)) }

// read returns a file, at most one byte over the limit for rule files.
func (s Source) read(name string) ([]byte, error) {
	f, err := s.FS.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, sigma.MaxFile+1))
}

// Read parses the rules of all sources. Of two rules with one id or name,
// the first stays.
func Read(sources []Source, p *sigma.Parser) (sigma.Set, holdfast.Faults) {
	var set sigma.Set
	var faults holdfast.Faults
	for _, s := range sources {
		faults = append(faults, s.walk(isRule, func(name string, _ fs.DirEntry) {
			b, err := s.read(name)
			if err != nil {
				faults = append(faults, holdfast.Fault{File: s.path(name), What: "cannot be read: " + err.Error(), Do: "check that it may be read"})
				return
			}
			one, fs := p.Parse(s.path(name), b)
			set.Add(one)
			faults = append(faults, fs...)
		})...)
	}
	u := unique{seen: map[string]*sigma.Meta{}}
	set.Rules = slices.DeleteFunc(set.Rules, func(r *sigma.Rule) bool { return u.twice(&r.Meta) })
	set.Correlations = slices.DeleteFunc(set.Correlations, func(r *sigma.Correlation) bool { return u.twice(&r.Meta) })
	return set, append(faults, u.faults...)
}

type unique struct {
	seen   map[string]*sigma.Meta
	faults holdfast.Faults
}

func (u *unique) twice(m *sigma.Meta) bool {
	for _, key := range []string{m.ID, m.Name, m.Key()} {
		if first := u.seen[key]; key != "" && first != nil && first != m {
			u.faults = append(u.faults, holdfast.Fault{
				File: m.File, Line: m.Pos.Line, Column: m.Pos.Column,
				What: fmt.Sprintf("the id, name or title %q is taken by %s:%d", key, first.File, first.Pos.Line), Do: "give the rule an id and a name of its own",
			})
			return true
		}
	}
	for _, key := range []string{m.ID, m.Name, m.Key()} {
		if key != "" {
			u.seen[key] = m
		}
	}
	return false
}

// Watch looks at the sources of the last Load every so often, and reloads when
// a file has come, gone, or changed its size or time. Each reload is told to
// changed, which may be nil. It returns when ctx is done.
func (d *Detector) Watch(ctx context.Context, every time.Duration, changed func(holdfast.Faults)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	d.mu.Lock()
	last := d.stamped
	d.mu.Unlock()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := d.stamp()
		if now == last {
			continue
		}
		last = now
		faults := d.Reload()
		d.opts.Log.Info("rules reloaded", "rules", len(d.Rules()), "faults", len(faults))
		if changed != nil {
			changed(faults)
		}
	}
}

// stamp changes when a rule file does.
func (d *Detector) stamp() string {
	d.mu.Lock()
	sources := d.sources
	d.mu.Unlock()
	var b strings.Builder
	for _, s := range sources {
		_ = s.walk(isRule, func(name string, e fs.DirEntry) {
			if info, err := e.Info(); err == nil {
				fmt.Fprintf(&b, "%s %d %d\n", s.path(name), info.Size(), info.ModTime().UnixNano())
			}
		})
	}
	return b.String()
}
