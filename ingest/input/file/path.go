package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// linger is how long a file that was moved away is still read: its writer
	// may hold it open until it is told of the rotation.
	linger = 10 * time.Second
	// maxOld bounds the moved files read at once.
	maxOld = 4
	// forget is how long a file that lost its name is kept open when no other
	// takes the name.
	forget = time.Hour
)

// path is one name in the file system, with the file that bears it now and
// those that bore it and may still be written to.
type path struct {
	f     *follower
	name  string
	fresh bool // a file found now was made while we watched: read all of it
	gen   int  // counts the files and truncations seen under this name
	now   *tail
	old   []*tail
	kept  func() // saves the positions, if another does
}

func newPath(f *follower, name string, first bool) *path {
	p := &path{f: f, name: name, fresh: !first}
	p.restore()
	return p
}

func (p *path) key() string { return "file:" + p.name }

// step looks at the path once and reads what is new. Its only error is ctx's.
func (p *path) step(ctx context.Context) error {
	info, err := os.Stat(p.name)
	switch {
	case err == nil && !info.Mode().IsRegular():
		p.f.note(p.name, p.name+" is no regular file")
	case err == nil:
		if err := p.see(info); err != nil {
			p.f.note(p.name, lacks(p.name, info, err))
		} else {
			p.f.note(p.name, "")
		}
	case errors.Is(err, fs.ErrNotExist):
		p.fresh = true
		if p.now == nil {
			p.f.note(p.name, p.name+" is not there (yet)")
		}
	default:
		p.f.note(p.name, lacks(p.name, nil, err))
	}
	for i := 0; i < len(p.old); {
		t := p.old[i]
		done, err := t.read(ctx, p)
		if err != nil {
			return err
		}
		if done && time.Since(t.changed) > p.f.wait.linger {
			if err := t.finish(ctx, p); err != nil {
				return err
			}
			p.f.finished(p.name, t.state())
			t.close()
			p.old = append(p.old[:i], p.old[i+1:]...)
			p.save()
			continue
		}
		i++
	}
	if p.now == nil {
		return nil
	}
	if _, err = p.now.read(ctx, p); err != nil {
		return err
	}
	return p.now.settle(ctx, p)
}

// see compares the file that bears the name with the one that is open.
func (p *path) see(info fs.FileInfo) error {
	if p.now != nil {
		if id := idOf(info, p.now.handle()); id == p.now.id {
			if p.now.truncated(info.Size()) {
				p.gen++
				p.f.finished(p.name, p.now.was) // a copy of it may turn up
				p.now.restart(p.gen)
				p.save()
			}
			return nil
		}
		p.now.changed = time.Now()
		p.old = append(p.old, p.now)
		p.now, p.fresh = nil, true
		for len(p.old) > maxOld {
			p.f.finished(p.name, p.old[0].state())
			p.old[0].close()
			p.old = p.old[1:]
		}
	}
	t, err := openTail(p.name)
	if err != nil {
		return err
	}
	p.gen++
	t.gen = p.gen
	if n := len(p.old); n > 0 {
		t.before = p.old[n-1].by
	}
	if s, ok := p.f.doneBefore(p.name, t); ok {
		t.resume(s)
		p.gen = max(p.gen, s.Gen)
	} else if !p.fresh && !p.f.opt.start {
		if err := t.skipTo(t.size() - p.f.opt.backfill); err != nil {
			t.close()
			return err
		}
	}
	p.now, p.fresh = t, true
	p.save()
	return nil
}

// idle reports whether nothing was read for so long that the name, which is not
// there any more, may be forgotten.
func (p *path) idle() bool {
	if p.now != nil && time.Since(p.now.changed) > forget {
		p.f.finished(p.name, p.now.state())
		p.now.close()
		p.now = nil
	}
	return p.now == nil && len(p.old) == 0
}

func (p *path) close() {
	for _, t := range append(p.old, p.now) {
		if t != nil {
			t.close()
		}
	}
}

// restore opens the files whose positions were saved: under the name, or under
// the one they were moved to while nobody watched.
func (p *path) restore() {
	for _, s := range load(p.f.env.Positions, p.key()) {
		p.fresh = true // the name is known: whatever is new under it is read whole
		p.gen = max(p.gen, s.Gen)
		t := p.f.reopen(p.name, s)
		if t == nil {
			p.f.finished(p.name, s) // a copy of it may turn up
			p.f.env.Log.Info("a file was moved or removed while nobody read it; what it held since is not read", "path", p.name)
			continue
		}
		info, err := os.Stat(p.name)
		switch {
		case packed(t.name): // known by its bytes
			p.old = append(p.old, t)
		case err == nil && idOf(info, t.handle()) == t.id:
			p.now = t
			if t.same() {
				break
			}
			// Truncated, or another file that got the number of the one that is gone.
			p.gen++
			t.restart(p.gen)
			if copied := p.f.packedCopy(siblings(p.name), s); copied != nil {
				p.old = append(p.old, copied)
			} else {
				p.f.finished(p.name, s)
			}
		case t.same():
			p.old = append(p.old, t)
		default:
			t.close() // another file, that got the old one's number
		}
	}
}

// siblings are a name, and those beside it that begin alike.
func siblings(name string) []string {
	names := []string{name}
	if entries, err := os.ReadDir(filepath.Dir(name)); err == nil {
		base := filepath.Base(name)
		stem := strings.TrimSuffix(base, filepath.Ext(base))
		for _, e := range entries {
			if n := e.Name(); n != base && strings.HasPrefix(n, stem) && e.Type().IsRegular() && len(names) < maxFiles {
				names = append(names, filepath.Join(filepath.Dir(name), n))
			}
		}
	}
	return names
}

// reopen finds the file of a saved position, or its packed copy.
func (f *follower) reopen(name string, s state) *tail {
	names := siblings(name)
	for _, n := range names {
		if info, err := os.Stat(n); err != nil || !info.Mode().IsRegular() || packed(n) {
			continue
		}
		t, err := openTail(n)
		if err != nil {
			continue
		}
		if t.id == s.ID {
			t.resume(s)
			return t
		}
		t.close()
	}
	return f.packedCopy(names, s)
}

// save keeps the positions of all files of the path, the one that bears the
// name first.
func (p *path) save() {
	if p.kept != nil {
		p.kept()
		return
	}
	var states []state
	for _, t := range append([]*tail{p.now}, p.old...) {
		if t != nil {
			states = append(states, t.state())
		}
	}
	if err := store(p.f.env.Positions, p.key(), states); err != nil {
		p.f.note(p.name, "the position in "+p.name+" could not be saved, so lines may be read twice after a restart: "+err.Error())
	}
}
