package file

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// maxDone bounds the files of one folder that are remembered, the newest of
// which stay.
const maxDone = 200

// done are files of one folder that were read to their end and may still be
// there under another name, or packed.
type done struct {
	states []state
}

func doneKey(dir string) string { return "file-done:" + dir }

// doneIn returns what is remembered of a folder.
func (f *follower) doneIn(dir string) *done {
	if d := f.done[dir]; d != nil {
		return d
	}
	d := &done{}
	if text, ok := f.env.Positions.Load(doneKey(dir)); ok && len(text) < 256<<10 {
		if json.Unmarshal([]byte(text), &d.states) != nil || len(d.states) > maxDone {
			d.states = nil
		}
		for _, s := range d.states {
			if !s.valid() {
				d.states = nil
				break
			}
		}
	}
	f.done[dir] = d
	return d
}

// finished remembers a file that was read to its end.
func (f *follower) finished(name string, s state) {
	if s.Offset == 0 {
		return
	}
	dir := filepath.Dir(name)
	d := f.doneIn(dir)
	out := make([]state, 0, len(d.states)+1)
	for _, old := range d.states {
		if old.ID != s.ID {
			out = append(out, old)
		}
	}
	s.Head, s.Back = 0, 0
	if out = append(out, s); len(out) > maxDone {
		out = out[len(out)-maxDone:]
	}
	d.states = out
	b, err := json.Marshal(out)
	if err == nil {
		err = f.env.Positions.Save(doneKey(dir), string(b))
	}
	if err != nil {
		f.note(name, "that "+name+" was read could not be saved, so it may be read twice after a restart: "+err.Error())
	}
}

// live calls each with the files of a folder that are open, until it returns
// true.
func (f *follower) live(dir string, each func(*tail) bool) bool {
	for name, r := range f.paths {
		p, ok := r.(*path)
		if !ok || filepath.Dir(name) != dir {
			continue
		}
		for _, t := range append([]*tail{p.now}, p.old...) {
			if t != nil && each(t) {
				return true
			}
		}
	}
	return false
}

// known reports whether there is nothing to read in a file that bears a new
// name: it is open under another, or was read to its end.
func (f *follower) known(name string) bool {
	if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
		return false // opening it might wait for somebody
	}
	t, err := openTail(name)
	if err != nil {
		return false
	}
	defer t.close()
	if f.live(filepath.Dir(name), func(old *tail) bool { return old.id == t.id || old.isIn(t.src) }) {
		return true
	}
	s, ok := f.doneBefore(name, t)
	return ok && t.size() <= s.Offset
}

// doneBefore finds how far a file was read under another name, or as the one
// that it is a copy of.
func (f *follower) doneBefore(name string, t *tail) (state, bool) {
	for _, s := range f.doneIn(filepath.Dir(name)).states {
		if (s.ID == t.id || s.Offset >= printBytes) && s.begins(t.src) {
			return s, true
		}
	}
	return state{}, false
}

// isIn reports whether r begins with the same bytes as an open file, as far as
// that was read.
func (t *tail) isIn(r source) bool { return t.was.Offset >= printBytes && t.was.begins(r) }

// begins reports whether r begins with the very bytes that were read.
func (s *state) begins(r source) bool {
	if print, n := fingerprint(r, 0, s.Printed); n != s.Printed || s.Printed == 0 || print != s.Print {
		return false
	}
	n := min(s.Offset, printBytes)
	print, got := fingerprint(r, s.Offset-n, n)
	return got == n && print == s.End
}

// packedCopy finds the packed form of a file that is gone: it stands in the same
// folder, under a name that begins alike.
func (f *follower) packedCopy(names []string, s state) *tail {
	for _, n := range names {
		if info, err := os.Stat(n); err != nil || !info.Mode().IsRegular() || !packed(n) {
			continue
		}
		u, err := openPacked(n, f.wait.unpacked)
		if err != nil {
			continue
		}
		if s.begins(u) {
			t := &tail{src: u, name: n, id: s.ID}
			t.resume(s)
			return t
		}
		u.Close()
	}
	return nil
}
