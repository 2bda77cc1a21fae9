package detect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"holdfast"
	"holdfast/detect/sigma"
)

const (
	maxFiles  = 50_000
	maxFaults = 1_000 // that are told one by one
)

// Source is a place with rules: all *.yml and *.yaml files below it, except
// test cases (*.test.yml) and placeholders.yml, which holds the values of
// placeholders for all rules that are read with it.
type Source struct {
	Name string // stands before file names in faults
	FS   fs.FS
}

// Dir is a folder as a Source.
func Dir(name string) Source { return Source{name, os.DirFS(name)} }

func isRule(name string) bool {
	ext := path.Ext(name)
	return (ext == ".yml" || ext == ".yaml") && !isCases(name) && !isPlaceholders(name)
}

func isPlaceholders(name string) bool {
	base := path.Base(name)
	return base == "placeholders.yml" || base == "placeholders.yaml"
}

func isRead(name string) bool { return isRule(name) || isPlaceholders(name) }

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

// read returns a file. What is no regular file is not opened: a pipe would
// never end.
func (s Source) read(name string) ([]byte, error) {
	info, err := fs.Stat(s.FS, name)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errors.New("it is a link to a folder, and those are not followed")
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no regular file")
	case info.Size() > sigma.MaxFile:
		return nil, fmt.Errorf("it has %d bytes, the limit is %d", info.Size(), sigma.MaxFile)
	}
	f, err := s.FS.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead))
	_, err = b.ReadFrom(io.LimitReader(f, sigma.MaxFile+1)) // it may have grown
	return b.Bytes(), err
}

// withPlaceholders is a parser that also knows the placeholders that stand
// beside the rules.
func withPlaceholders(p *sigma.Parser, sources []Source) (*sigma.Parser, holdfast.Faults) {
	out := &sigma.Parser{Placeholders: map[string][]string{}}
	var faults holdfast.Faults
	for _, s := range sources {
		_ = s.walk(isPlaceholders, func(name string, _ fs.DirEntry) { // what cannot be walked is told of for the rules
			b, err := s.read(name)
			if err != nil {
				faults = append(faults, unread(s, name, err))
				return
			}
			values, fs := sigma.ParsePlaceholders(s.path(name), b)
			maps.Copy(out.Placeholders, values)
			faults = append(faults, fs...)
		})
	}
	maps.Copy(out.Placeholders, p.Placeholders)
	return out, faults
}

func unread(s Source, name string, err error) holdfast.Fault {
	return holdfast.Fault{File: s.path(name), What: "cannot be read: " + err.Error(), Do: "check that it is a rule file of moderate size and may be read"}
}

// Read parses the rules of all sources, on all processors. Of two rules with
// one id or name, the first stays, in the order of sources and file names. Of
// two values for a placeholder those of the parser count, else those of the
// later source.
func Read(sources []Source, p *sigma.Parser) (sigma.Set, holdfast.Faults) {
	type file struct {
		source Source
		name   string
	}
	var files []file
	var faults holdfast.Faults
	for _, s := range sources {
		faults = append(faults, s.walk(isRule, func(name string, _ fs.DirEntry) {
			files = append(files, file{s, name})
		})...)
	}
	parser, more := withPlaceholders(p, sources)
	faults = append(faults, more...)
	type result struct {
		set    sigma.Set
		faults holdfast.Faults
	}
	results := make([]result, len(files))
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(files)) {
		wait.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(files) {
					return
				}
				f, r := files[i], &results[i]
				b, err := f.source.read(f.name)
				if err != nil {
					r.faults = holdfast.Faults{unread(f.source, f.name, err)}
					continue
				}
				r.set, r.faults = parser.Parse(f.source.path(f.name), b)
			}
		})
	}
	wait.Wait()
	var set sigma.Set
	for i := range results {
		set.Add(results[i].set)
		faults = append(faults, results[i].faults...)
	}
	u := unique{seen: map[string]*sigma.Meta{}}
	set.Rules = slices.DeleteFunc(set.Rules, func(r *sigma.Rule) bool { return u.twice(&r.Meta) })
	set.Correlations = slices.DeleteFunc(set.Correlations, func(r *sigma.Correlation) bool { return u.twice(&r.Meta) })
	faults = append(faults, u.faults...)
	if n := len(faults) - maxFaults; n > 0 {
		faults = append(faults[:maxFaults:maxFaults], holdfast.Fault{File: faults[maxFaults].File, What: fmt.Sprintf("and %d more things are wrong", n), Do: "correct the others first"})
	}
	return set, faults
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
		_ = s.walk(isRead, func(name string, e fs.DirEntry) {
			if info, err := e.Info(); err == nil {
				fmt.Fprintf(&b, "%s %d %d\n", s.path(name), info.Size(), info.ModTime().UnixNano())
			}
		})
	}
	return b.String()
}
