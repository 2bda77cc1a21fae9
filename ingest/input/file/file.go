// Package file follows log files as they are written, rotated and truncated.
// It hands on lines as they stand; what they mean is left to the parsers.
package file

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"holdfast"
	"holdfast/ingest/input"
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
		Description: "Follows files by path or pattern, through rotation by rename and by copy and truncation, " +
			"and goes on after a restart where it had stopped.",
		References: []string{"logrotate(8)", "POSIX.1-2017, section 3.206: line"},
		Options: map[string]string{
			"from":     "where to begin in a file never seen before: end (the default; see backfill) or start",
			"backfill": "how many bytes before the end to begin, 1048576 unless told otherwise",
		},
		Example: input.Config{Kind: "file", Where: "/var/log/auth.log"},
		Check:   check,
		Run:     run,
	}
}

type options struct {
	start    bool
	backfill int64
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
	if _, err := filepath.Match(cfg.Where, ""); err != nil {
		return o, fmt.Errorf("file: %q is no pattern: %w: %w", cfg.Where, err, holdfast.ErrInvalid)
	}
	for name, value := range cfg.Options {
		switch name {
		case "from":
			if value != "start" && value != "end" {
				return o, fmt.Errorf("file: option from is start or end, not %q: %w", value, holdfast.ErrInvalid)
			}
			o.start = value == "start"
		case "backfill":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil || n < 0 {
				return o, fmt.Errorf("file: option backfill is a number of bytes, not %q: %w", value, holdfast.ErrInvalid)
			}
			o.backfill = n
		default:
			return o, fmt.Errorf("file: there is no option %q, only from and backfill: %w", name, holdfast.ErrInvalid)
		}
	}
	return o, nil
}

// follower follows all files of one pattern.
type follower struct {
	cfg   input.Config
	opt   options
	env   input.Env
	paths map[string]*path
	notes map[string]string
	chunk []byte // to read into
}

func run(ctx context.Context, cfg input.Config, env input.Env) error {
	opt, err := read(cfg)
	if err != nil {
		return err
	}
	f := &follower{cfg: cfg, opt: opt, env: env, paths: map[string]*path{}, notes: map[string]string{}, chunk: make([]byte, chunk)}
	defer f.close()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	var searched time.Time
	for first := true; ; first = false {
		if now := time.Now(); first || now.Sub(searched) >= search {
			f.search(first)
			searched = now
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
	names := []string{f.cfg.Where}
	if strings.ContainsAny(f.cfg.Where, `*?[`) {
		names, _ = filepath.Glob(f.cfg.Where) // the pattern was checked
		trouble := ""
		if len(names) == 0 {
			trouble = "no file matches " + f.cfg.Where
		}
		f.note(f.cfg.Where, trouble)
	}
	for _, name := range names {
		if f.paths[name] != nil || packed(name) {
			continue
		}
		if len(f.paths) >= maxFiles {
			f.note(f.cfg.Where, fmt.Sprintf("more than %d files match %s; the rest is not read", maxFiles, f.cfg.Where))
			return
		}
		f.paths[name] = newPath(f, name, first)
	}
}

func packed(name string) bool {
	switch filepath.Ext(name) {
	case ".gz", ".xz", ".bz2", ".zst", ".lz4":
		return true
	}
	return false
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
