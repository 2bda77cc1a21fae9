// Package control keeps the requirements: it reads what people wrote, derives
// from each clause the change that implements it, the check that verifies it,
// the rules that watch it and the drill that proves it, and says how each
// requirement stands on each asset. It proposes changes and never makes them:
// that is the life of an action, in package respond. Judging facts is left to
// package assess.
package control

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast"
	"holdfast/control/requirement"
	"holdfast/internal/clock"
)

const maxFiles = 10_000

// Options are what a book is made with.
type Options struct {
	Clock clock.Clock
	Log   *slog.Logger
	// Management lists addresses and prefixes that must never lose access.
	Management []string
}

// Source is a place with requirements: all *.yml and *.yaml files below it,
// except cases (*.test.yaml).
type Source struct {
	Name string // stands before file names in faults
	FS   fs.FS
}

// Dir is a folder as a Source.
func Dir(name string) Source { return Source{name, os.DirFS(name)} }

// Book is all requirements in force. Its methods may run at the same time.
type Book struct {
	opts Options

	mu      sync.RWMutex
	sources []Source
	stamped uint64
	entries []entry
	excepts []requirement.Exception
	faults  holdfast.Faults
	// governs remembers from the last standings which assets a requirement is
	// for: requirement, then asset.
	governs map[string]map[string]bool
}

// entry is a requirement with what was derived from it.
type entry struct {
	requirement.Requirement
	file    string
	clauses []clause
}

// New returns an empty book.
func New(o Options) *Book { return &Book{opts: o} }

// Load reads all sources anew. What has no fault is in force, whatever else
// has.
func (b *Book) Load(sources ...Source) holdfast.Faults {
	stamped := stamp(sources)
	l := loading{ids: map[string]string{}}
	for _, s := range sources {
		l.read(s)
	}
	l.settle()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sources, b.stamped = slices.Clone(sources), stamped
	b.entries, b.excepts, b.faults, b.governs = l.entries, l.excepts, l.faults, nil
	return slices.Clone(l.faults)
}

// Faults are those of the last load.
func (b *Book) Faults() holdfast.Faults {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return slices.Clone(b.faults)
}

// Watch looks at the sources of the last Load every so often, and reloads when
// a file has come, gone, or changed its size or time. Each reload is told to
// changed, which may be nil. It returns when ctx is done.
func (b *Book) Watch(ctx context.Context, every time.Duration, changed func(holdfast.Faults)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		b.mu.RLock()
		sources, last := b.sources, b.stamped
		b.mu.RUnlock()
		if stamp(sources) == last {
			continue
		}
		faults := b.Load(sources...)
		b.opts.Log.Info("requirements reloaded", "requirements", len(b.all()), "faults", len(faults))
		if changed != nil {
			changed(faults)
		}
	}
}

func (b *Book) all() []entry {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.entries
}

// stamp changes with the names, sizes and times of the files.
func stamp(sources []Source) uint64 {
	h := fnv.New64a()
	for _, s := range sources {
		s.walk(func(name string, d fs.DirEntry) {
			if st, err := d.Info(); err == nil {
				fmt.Fprintf(h, "%q %q %d %d\n", s.Name, name, st.Size(), st.ModTime().UnixNano())
			}
		})
	}
	return h.Sum64()
}

func isRequirement(name string) bool {
	ext := path.Ext(name)
	return (ext == ".yml" || ext == ".yaml") && !strings.HasSuffix(strings.TrimSuffix(name, ext), ".test")
}

func (s Source) path(name string) string { return filepath.ToSlash(filepath.Join(s.Name, name)) }

func (s Source) walk(f func(name string, d fs.DirEntry)) holdfast.Faults {
	var faults holdfast.Faults
	unread := func(name string, err error) {
		faults = append(faults, holdfast.Fault{File: s.path(name), What: "cannot be read: " + err.Error(), Do: "check that it is there and may be read"})
	}
	n := 0
	err := fs.WalkDir(s.FS, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			unread(name, err)
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
		case d.IsDir() || !isRequirement(name):
		case n == maxFiles:
			faults = append(faults, holdfast.Fault{File: s.path("."), What: fmt.Sprintf("holds more than %d files", maxFiles), Do: "split it"})
			return fs.SkipAll
		default:
			n++
			f(name, d)
		}
		return nil
	})
	if err != nil {
		unread(".", err)
	}
	return faults
}

func (s Source) read(name string) ([]byte, error) {
	f, err := s.FS.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, requirement.MaxDocument+1))
}

// loading gathers one load.
type loading struct {
	entries []entry
	excepts []requirement.Exception
	where   []string // of each exception
	faults  holdfast.Faults
	ids     map[string]string
}

func (l *loading) say(file string, at requirement.Position, what string) {
	what, do, _ := strings.Cut(what, "; ")
	l.faults = append(l.faults, holdfast.Fault{File: file, Line: at.Line, Column: at.Column, What: what, Do: do})
}

func (l *loading) read(s Source) {
	l.faults = append(l.faults, s.walk(func(name string, _ fs.DirEntry) {
		file := s.path(name)
		data, err := s.read(name)
		if err != nil {
			l.say(file, requirement.Position{}, "cannot be read: "+err.Error()+"; check that it may be read")
			return
		}
		doc, faults := requirement.Parse(file, data)
		for _, f := range faults {
			l.say(file, requirement.Position{Line: f.Line, Column: f.Column}, f.Say)
		}
		for _, q := range doc.Requirements {
			l.add(file, q)
		}
		for _, e := range doc.Exceptions {
			l.excepts, l.where = append(l.excepts, e), append(l.where, file)
		}
	})...)
}

func (l *loading) add(file string, q requirement.Requirement) {
	at := requirement.Position{Line: q.Line}
	if first, taken := l.ids[q.ID]; taken {
		l.say(file, at, fmt.Sprintf("the id %q is taken by %s; give the requirement an id of its own", q.ID, first))
		return
	}
	before := len(l.faults)
	if q.State != nil {
		for _, name := range slices.Sorted(maps.Keys(q.State.Settings)) {
			s, err := settingNamed(name)
			if err != nil {
				l.say(file, q.State.At[name], err.Error())
			} else if _, err := s.value(q.State.Settings[name]); err != nil {
				l.say(file, q.State.Values[name], err.Error())
			}
		}
	}
	if len(l.faults) > before {
		return
	}
	l.ids[q.ID] = fmt.Sprintf("%s:%d", file, q.Line)
	l.entries = append(l.entries, entry{q, file, derive(q)})
}

// settle looks at what only all files together show.
func (l *loading) settle() {
	slices.SortFunc(l.entries, func(a, b entry) int { return strings.Compare(a.ID, b.ID) })
	for i, e := range l.excepts {
		if l.ids[e.Requirement] == "" {
			l.say(l.where[i], requirement.Position{Line: e.Line}, fmt.Sprintf("the exception is from %q, which is no requirement; correct the name, or the requirement's own fault", e.Requirement))
		}
	}
}
