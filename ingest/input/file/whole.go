package file

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"holdfast/internal/intake"
)

// settled is how long a file must stay as it is before it is read whole: its
// writer may not be done.
const settled = time.Second

// whole is a file that is read from its beginning to its end, once: packed, or a
// Windows event log. It is looked at again when it changes.
type whole struct {
	f       *follower
	name    string
	history bool // it was there before anybody asked for it: do not read it
	read    func(ctx context.Context, w *whole) error
	seen    stamp
	since   time.Time
	looked  bool // as it is, it was read
	st      wholeState
}

// stamp tells whether a file has changed.
type stamp struct {
	Size int64 `json:"size"`
	Mod  int64 `json:"mod"`
}

// wholeState is how far such a file was read, as it is saved.
type wholeState struct {
	state
	Stamp stamp `json:"stamp"` // of the file as it was read to its end
	Done  bool  `json:"done,omitempty"`
	// Of a Windows event log: the newest record of earlier readings, and of this
	// one. Its Offset counts chunks.
	Last   uint64 `json:"last,omitempty"`
	Newest uint64 `json:"newest,omitempty"`
}

func newWhole(f *follower, name string, history bool, read func(context.Context, *whole) error) *whole {
	w := &whole{f: f, name: name, history: history, read: read}
	if text, ok := f.env.Positions.Load(w.key()); ok && len(text) < 64<<10 {
		if json.Unmarshal([]byte(text), &w.st) != nil || !w.st.valid() {
			w.st = wholeState{}
		}
	}
	return w
}

func (w *whole) key() string { return "file:" + w.name }

func (w *whole) close()     {}
func (w *whole) idle() bool { return w.seen == stamp{} }

// step looks at the file once. Its only error is ctx's.
func (w *whole) step(ctx context.Context) error {
	info, err := os.Stat(w.name)
	if err != nil || !info.Mode().IsRegular() {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			w.f.note(w.name, lacks(w.name, nil, err))
		}
		w.seen, w.looked = stamp{}, false
		return nil
	}
	now := stamp{info.Size(), info.ModTime().UnixNano()}
	if now != w.seen {
		w.seen, w.since, w.looked = now, time.Now(), false
	}
	if w.looked || time.Since(w.since) < w.f.wait.settled {
		return nil
	}
	w.looked = true
	if w.st.Done && w.st.Stamp == now {
		return nil
	}
	if w.history {
		w.st.Done, w.st.Stamp, w.history = true, now, false
		w.save()
		return nil
	}
	err = w.read(ctx, w)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errBusy):
		w.looked, w.since = false, time.Now()
		return nil
	}
	if err != nil {
		w.f.note(w.name, lacks(w.name, info, err))
		return nil
	}
	w.st.Done, w.st.Stamp = true, now
	w.save()
	return nil
}

func (w *whole) save() {
	b, err := json.Marshal(w.st)
	if err == nil {
		err = w.f.env.Positions.Save(w.key(), string(b))
	}
	if err != nil {
		w.f.note(w.name, "the position in "+w.name+" could not be saved, so it may be read twice after a restart: "+err.Error())
	}
}

// errBusy says that the file which a packed one was made of is still open; when
// it is closed, it is known how far it was read.
var errBusy = errors.New("still read as it was before it was packed")

// readPacked hands on the lines of a packed file, those that were read before it
// was packed left out. What is damaged is named, and read on from there when the
// file changes.
func readPacked(ctx context.Context, w *whole) error {
	u, err := openPacked(w.name, w.f.wait.unpacked)
	if err != nil {
		return err
	}
	defer u.Close()
	id, err := idOfOpen(u.f)
	if err != nil {
		return err
	}
	if mayBeList(w.name) {
		head := make([]byte, listHead)
		if n, _ := u.ReadAt(head, 0); intake.IsList(head[:n]) {
			return readList(ctx, w, id, u)
		}
	}
	t := &tail{src: u, name: w.name, id: id, changed: time.Now()}
	if w.f.live(filepath.Dir(w.name), func(old *tail) bool { return old.name == w.name || old.isIn(u) }) {
		return errBusy
	}
	switch before, ok := w.f.doneBefore(w.name, t); {
	case w.st.ID == id && w.st.Offset > 0 && w.st.begins(u):
		t.resume(w.st.state)
	case ok:
		t.resume(before)
	default:
		t.gen = w.st.Gen + 1
	}
	p := &path{f: w.f, name: w.name, now: t, kept: func() {
		w.st.state, w.st.Done = t.state(), false
		w.st.ID = id
		w.save()
	}}
	if _, err := t.read(ctx, p); err != nil {
		return err
	}
	if t.failed != nil {
		return t.failed
	}
	if err := t.finish(ctx, p); err != nil {
		return err
	}
	w.st.state = t.state()
	w.st.ID = id
	w.f.finished(w.name, w.st.state)
	w.f.note(w.name, "")
	return nil
}

func idOfOpen(f *os.File) (string, error) {
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	return idOf(info, f), nil
}
