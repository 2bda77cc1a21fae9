package file

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"holdfast"
)

// maxDirs bounds the folders that one search looks into.
const maxDirs = 20_000

// everything is the pattern of a folder: all files in it and below.
const everything = "**"

// checkPattern reports a pattern that means nothing.
func checkPattern(pattern string) error {
	for _, s := range segments(pattern) {
		if strings.Contains(s, "**") && s != everything {
			return fmt.Errorf("file: in %q, ** stands for whole folders; write it as /var/log/**/*.log: %w", pattern, holdfast.ErrInvalid)
		}
		if _, err := filepath.Match(s, ""); err != nil {
			return fmt.Errorf("file: %q is no pattern: %w: %w", pattern, err, holdfast.ErrInvalid)
		}
	}
	return nil
}

func segments(pattern string) []string {
	return strings.FieldsFunc(pattern, func(r rune) bool { return r == '/' || r == filepath.Separator })
}

func isPattern(s string) bool { return strings.ContainsAny(s, `*?[`) }

// glob finds files.
type glob struct {
	exclude []string
	max     int
	names   []string
	dirs    int
	more    bool // there is more than was looked at
}

// find returns the files of a pattern, in the order of their names.
func (g *glob) find(pattern string) []string {
	g.names, g.dirs, g.more = nil, 0, false
	segs := segments(pattern)
	root := filepath.VolumeName(pattern) + string(filepath.Separator)
	at := 0
	for at < len(segs) && !isPattern(segs[at]) {
		at++
	}
	if filepath.VolumeName(pattern) != "" {
		segs = segs[1:]
		at--
	}
	g.walk(filepath.Join(append([]string{root}, segs[:at]...)...), segs[at:], false)
	return g.names
}

// walk looks at what the rest of a pattern stands for below a folder. Below a
// "**", what begins with a dot is left out, and links are not followed: they may
// lead back, or to what whoever fills the folder may not read.
func (g *glob) walk(dir string, rest []string, deep bool) {
	if g.more {
		return
	}
	if len(rest) == 0 {
		g.add(dir)
		return
	}
	if g.dirs++; g.dirs > maxDirs {
		g.more = true
		return
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	if rest[0] == everything {
		if len(rest) > 1 {
			g.walk(dir, rest[1:], true)
		}
		for _, e := range entries {
			name := filepath.Join(dir, e.Name())
			switch {
			case strings.HasPrefix(e.Name(), "."), e.Type()&os.ModeSymlink != 0:
			case e.IsDir():
				if !excluded(g.exclude, name) {
					g.walk(name, rest, true)
				}
			case len(rest) == 1:
				g.add(name)
			}
		}
		return
	}
	for _, e := range entries {
		if ok, err := filepath.Match(rest[0], e.Name()); err != nil || !ok {
			continue
		}
		if deep && (strings.HasPrefix(e.Name(), ".") || e.Type()&os.ModeSymlink != 0) {
			continue
		}
		name := filepath.Join(dir, e.Name())
		if len(rest) == 1 {
			if !e.IsDir() {
				g.add(name)
			}
			continue
		}
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			g.walk(name, rest[1:], deep)
		}
	}
}

func (g *glob) add(name string) {
	switch {
	case excluded(g.exclude, name):
	case len(g.names) >= g.max:
		g.more = true
	default:
		g.names = append(g.names, name)
	}
}

// excluded reports whether a name is one of those that are left out: by its
// whole path, by its last part if the pattern has but one, or because a folder
// above it is.
func excluded(patterns []string, name string) bool {
	for _, p := range patterns {
		if !strings.ContainsAny(p, `/\`) {
			if ok, err := filepath.Match(p, filepath.Base(name)); err == nil && ok {
				return true
			}
			continue
		}
		if matches(segments(p), segments(name)) {
			return true
		}
	}
	return false
}

// matches compares a path with a pattern, part by part.
func matches(pattern, name []string) bool {
	if len(pattern) == 0 {
		return len(name) == 0
	}
	if pattern[0] == everything {
		for i := range len(name) + 1 {
			if matches(pattern[1:], name[i:]) {
				return true
			}
		}
		return false
	}
	if len(name) == 0 {
		return false
	}
	ok, err := filepath.Match(pattern[0], name[0])
	return err == nil && ok && matches(pattern[1:], name[1:])
}

// readExclude reads the option.
func readExclude(value string) ([]string, error) {
	var out []string
	for p := range strings.SplitSeq(value, ",") {
		if p = strings.TrimSpace(p); p == "" {
			continue
		}
		if err := checkPattern(p); err != nil {
			return nil, fmt.Errorf("option exclude: %w", err)
		}
		if n := strings.Count(p, everything); n > 3 {
			return nil, errors.Join(fmt.Errorf("file: option exclude: %q has ** %d times, 3 are allowed", p, n), holdfast.ErrInvalid)
		}
		out = append(out, p)
	}
	return out, nil
}
