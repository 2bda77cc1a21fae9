// Package file follows log files as they are written, rotated and truncated.
// It hands on lines as they stand; what they mean is left to the parsers.
package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/internal/logline"
)

const (
	// poll is how often files are looked at. One look at a file that has not
	// changed is one stat.
	poll = 50 * time.Millisecond
	// search is how often a pattern is matched against the folders.
	search = time.Second
	// defaultBackfill is how much of a file never seen before is read.
	defaultBackfill = 1 << 20
	// maxFiles bounds what one pattern may match.
	maxFiles = 1000
)

// Input describes the input.
func Input() input.Input {
	return input.Input{
		Name:  "file",
		Title: "Log file",
		Description: "Follows files by path, folder or pattern, through rotation by rename and by copy and truncation, " +
			"and goes on after a restart where it had stopped. Zeek tables, W3C logs and audit events come as whole records; " +
			"packed files and Windows event logs are read once, from beginning to end.",
		References: []string{"logrotate(8)", "POSIX.1-2017, section 3.206: line", "RFC 1952", "RFC 8878"},
		Options: map[string]string{
			"from":     "where to begin in a file never seen before: end (the default; see backfill) or start",
			"backfill": "how many bytes before the end to begin, 1048576 unless told otherwise",
			"exclude":  "patterns of files and folders to leave out, with commas between them: *.old,/srv/logs/debug/**",
			"zone":     "the time zone of clocks that have none: Europe/Berlin or +02:00",
		},
		Example: input.Config{Kind: "file", Where: "/var/log/auth.log"},
		Check:   check,
		Run:     run,
	}
}

type options struct {
	start    bool
	backfill int64
	exclude  []string
	zone     *time.Location
}

func check(cfg input.Config) error {
	_, err := read(cfg)
	return err
}

func read(cfg input.Config) (options, error) {
	o := options{backfill: defaultBackfill}
	if !filepath.IsAbs(cfg.Where) {
		return o, fmt.Errorf("file: %q is no absolute path; write it from the root, such as /var/log/auth.log: %w", cfg.Where, holdfast.ErrInvalid)
	}
	if err := checkPattern(cfg.Where); err != nil {
		return o, err
	}
	for name, value := range cfg.Options {
		if err := o.set(name, value); err != nil {
			return o, err
		}
	}
	return o, nil
}

func (o *options) set(name, value string) (err error) {
	switch name {
	case "from":
		if value != "start" && value != "end" {
			return fmt.Errorf("file: option from is start or end, not %q: %w", value, holdfast.ErrInvalid)
		}
		o.start = value == "start"
	case "backfill":
		if o.backfill, err = strconv.ParseInt(value, 10, 64); err != nil || o.backfill < 0 {
			return fmt.Errorf("file: option backfill is a number of bytes, not %q: %w", value, holdfast.ErrInvalid)
		}
	case "zone":
		if o.zone, err = logline.Location(value); err != nil {
			return fmt.Errorf("file: option zone: %w: %w", err, holdfast.ErrInvalid)
		}
	case "exclude":
		o.exclude, err = readExclude(value)
	default:
		return fmt.Errorf("file: there is no option %q, only from, backfill, exclude and zone: %w", name, holdfast.ErrInvalid)
	}
	return err
}

// follower follows all files of one pattern.
type follower struct {
	cfg   input.Config
	opt   options
	env   input.Env
	wait  patience
	paths map[string]reader
	names []string // as they were found last
	been  bool     // there was a run before this
	notes map[string]string
	done  map[string]*done // by folder
	chunk []byte           // to read into
}

// reader reads one name of the file system.
type reader interface {
	// step looks at the name once and reads what is new. Its only error is ctx's.
	step(ctx context.Context) error
	// idle reports whether a name that is not there any more may be forgotten.
	idle() bool
	close()
}

// patience is how long is waited for more, and how much of a packed file is read
// at least.
type patience struct {
	linger, settled, quiet time.Duration
	unpacked               int64
}

func run(ctx context.Context, cfg input.Config, env input.Env) error {
	return follow(ctx, cfg, env, patience{linger, settled, quiet, unpackedLeast})
}

func follow(ctx context.Context, cfg input.Config, env input.Env, wait patience) error {
	opt, err := read(cfg)
	if err != nil {
		return err
	}
	f := &follower{cfg: cfg, opt: opt, env: env, wait: wait, paths: map[string]reader{}, notes: map[string]string{}, done: map[string]*done{}, chunk: make([]byte, chunk)}
	defer f.close()
	_, f.been = env.Positions.Load("file-begun:" + cfg.Where)
	tick := time.NewTicker(poll)
	defer tick.Stop()
	var next time.Time
	for first := true; ; first = false {
		if now := time.Now(); first || now.After(next) {
			f.search(first)
			if first && !f.been {
				if err := env.Positions.Save("file-begun:"+cfg.Where, "1"); err != nil {
					f.note(cfg.Where, "that it was looked at could not be saved: "+err.Error())
				}
			}
			// A search of a large tree must not take more than a part of the time.
			took := time.Since(now)
			next = now.Add(max(search, 20*took))
		}
		for _, p := range f.paths {
			if err := p.step(ctx); err != nil {
				return nil // ctx is done; nothing else ends a step
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// search matches the pattern. Files that appear after the first search are new
// and read from their start.
func (f *follower) search(first bool) {
	names := f.find()
	if len(f.paths) > 0 && !slices.Equal(names, f.names) {
		for name, r := range f.paths {
			if _, found := slices.BinarySearch(names, name); !found && isPattern(f.cfg.Where) && r.idle() {
				delete(f.paths, name)
			}
		}
	}
	f.names = names
	var fresh []string
	for _, name := range names {
		switch {
		case f.paths[name] != nil, otherPacked(name):
			continue
		case len(f.paths) >= maxFiles:
			f.note(f.cfg.Where, fmt.Sprintf("more than %d files match %s; the rest is not read", maxFiles, f.cfg.Where))
			return
		}
		// Names whose positions are known come first: what they opened may bear
		// another name now, which is then none of a new file.
		if _, ok := f.env.Positions.Load("file:" + name); ok {
			f.open(name, first)
		} else {
			fresh = append(fresh, name)
		}
	}
	for _, name := range fresh {
		if len(f.paths) >= maxFiles {
			f.note(f.cfg.Where, fmt.Sprintf("more than %d files match %s; the rest is not read", maxFiles, f.cfg.Where))
			return
		}
		if packed(name) || eventLog(name) || !f.known(name) {
			f.open(name, first)
		}
	}
}

// find returns the names that the configuration stands for now.
func (f *follower) find() []string {
	where := f.cfg.Where
	switch info, err := os.Stat(where); {
	case err == nil && info.IsDir():
		where = filepath.Join(where, everything)
	case !isPattern(where):
		return []string{where}
	}
	g := &glob{exclude: f.opt.exclude, max: 4 * maxFiles}
	names := g.find(where)
	slices.Sort(names)
	names = slices.Compact(names)
	switch {
	case g.dirs > maxDirs:
		f.note(f.cfg.Where, fmt.Sprintf("%s stands for more than %d folders; the rest is not read", f.cfg.Where, maxDirs))
	case len(names) == 0 && where == f.cfg.Where:
		f.note(f.cfg.Where, "no file matches "+f.cfg.Where)
	case g.more:
		f.note(f.cfg.Where, fmt.Sprintf("more than %d files match %s; the rest is not read", g.max, f.cfg.Where))
	default:
		f.note(f.cfg.Where, "")
	}
	return names
}

// open begins to read a name. Packed files that are there at the first start are
// the past, unless they are asked for.
func (f *follower) open(name string, first bool) {
	switch {
	case eventLog(name):
		f.paths[name] = newWhole(f, name, false, readEventLog)
	case mayBeList(name) && !packed(name):
		switch list, known := isList(name); {
		case !known: // it is looked at again as long as nothing stands in it
		case list:
			f.paths[name] = newWhole(f, name, false, readPlainList)
		default:
			f.paths[name] = newPath(f, name, first)
		}
	case packed(name):
		asked := f.opt.start || packed(f.cfg.Where)
		f.paths[name] = newWhole(f, name, first && !asked && !f.been, readPacked)
	default:
		f.paths[name] = newPath(f, name, first)
	}
}

// received is the time now, in the zone of the file's clocks: parsers take it for
// those that have none.
func (f *follower) received() time.Time {
	now := f.env.Clock.Now()
	if f.opt.zone != nil {
		now = now.In(f.opt.zone)
	}
	return now
}

// note passes a change of health on.
func (f *follower) note(name, trouble string) {
	if f.notes[name] == trouble {
		return
	}
	f.notes[name] = trouble
	if f.env.Note != nil {
		f.env.Note("file:"+name, trouble)
	}
}

func (f *follower) close() {
	for _, p := range f.paths {
		p.close()
	}
}

// put hands records on until they are taken; its only error is ctx's.
func (f *follower) put(ctx context.Context, name string, records []holdfast.Record) error {
	for pause := poll; ; pause = min(2*pause, 5*time.Second) {
		err := f.env.Sink.Put(ctx, records)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		why := "not taken, will be offered again: " + err.Error()
		if errors.Is(err, holdfast.ErrFull) {
			why = "waits until there is room: " + err.Error()
		}
		f.note(name, why)
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
}
