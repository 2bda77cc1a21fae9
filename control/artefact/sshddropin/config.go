package sshddropin

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"holdfast"
	"holdfast/internal/host"
)

// directive reads one line of sshd_config(5): a keyword, then its arguments.
func directive(line string) (key, rest string) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return "", ""
	}
	end := strings.IndexAny(line, " \t=")
	if end < 0 {
		return line, ""
	}
	return line[:end], strings.Trim(line[end:], " \t=\"")
}

// layout is where sshd reads its settings from.
type layout struct {
	config string
	main   []byte
	own    string   // our file
	others []string // the included files but ours, as sshd reads them
}

// errLayout is a configuration that a drop-in cannot govern, and what to do.
type errLayout struct{ say string }

func (e errLayout) Error() string { return e.say }

// look reads the main file and finds the folder for drop-ins.
func look(h *host.Host, config string, wanted []setting) (layout, error) {
	l := layout{config: config}
	var err error
	if l.main, err = h.ReadFile(config); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return l, errLayout{config + " is not there; install the SSH server, or name its configuration"}
		}
		return l, err
	}
	var patterns []string
	sc := bufio.NewScanner(bytes.NewReader(l.main))
	sc.Buffer(nil, host.MaxFile)
scan:
	for n := 1; sc.Scan(); n++ {
		key, rest := directive(sc.Text())
		switch {
		case strings.EqualFold(key, "include"):
			for _, p := range strings.Fields(rest) {
				if p = strings.Trim(p, `"`); !path.IsAbs(p) {
					p = path.Join(path.Dir(config), p)
				}
				patterns = append(patterns, p)
				if ok, _ := path.Match(path.Base(p), fileOwn); ok && l.own == "" {
					l.own = path.Join(path.Dir(p), fileOwn)
				}
			}
		case strings.EqualFold(key, "match"):
			break scan
		case l.own == "" && slices.ContainsFunc(wanted, func(s setting) bool { return strings.EqualFold(s.key, key) }):
			return l, errLayout{fmt.Sprintf("%s:%d sets %s before any folder is included, and sshd takes the first value; put the line \"Include %s.d/*.conf\" at the top of that file", config, n, key, config)}
		}
	}
	if l.own == "" {
		return l, errLayout{fmt.Sprintf("%s includes no folder for further files; put the line \"Include %s.d/*.conf\" at its top, and make that folder", config, config)}
	}
	if !h.Exists(path.Dir(l.own)) {
		return l, errLayout{fmt.Sprintf("the folder %s, which %s includes, is not there; make it", path.Dir(l.own), config)}
	}
	for _, p := range patterns {
		found, err := filepath.Glob(h.Path(p))
		if err != nil {
			return l, err
		}
		for _, f := range found {
			if f = strings.TrimPrefix(f, strings.TrimSuffix(h.Root, "/")); f != l.own && !slices.Contains(l.others, f) {
				l.others = append(l.others, f)
			}
		}
	}
	return l, nil
}

// fingerprint hashes everything that sshd reads.
func (l layout) fingerprint(h *host.Host) (string, error) {
	parts := []string{l.config, string(l.main)}
	for _, f := range append([]string{l.own}, l.others...) {
		b, err := h.ReadFile(f)
		if errors.Is(err, fs.ErrNotExist) {
			parts = append(parts, f, "absent")
			continue
		}
		if err != nil {
			return "", err
		}
		parts = append(parts, f, "present", string(b))
	}
	return holdfast.StableID("fp", parts...), nil
}

// matches lists the places below a Match line that set one of the wanted
// keywords: there, they overrule every global value.
func (l layout) matches(h *host.Host, wanted []setting) []string {
	var out []string
	for _, f := range append([]string{l.config}, l.others...) {
		b, err := h.ReadFile(f)
		if err != nil {
			continue
		}
		under, n := "", 0
		for line := range strings.Lines(string(b)) {
			n++
			key, rest := directive(line)
			if strings.EqualFold(key, "match") {
				under = rest
			} else if i := slices.IndexFunc(wanted, func(s setting) bool { return strings.EqualFold(s.key, key) }); under != "" && i >= 0 && !strings.EqualFold(rest, wanted[i].value) {
				out = append(out, fmt.Sprintf("%s:%d: %s %s for \"%s\"", f, n, key, rest, under))
			}
		}
	}
	return out
}

// effective asks sshd itself what it makes of its files. Settings handed in
// are taken first, as those of our file are.
func effective(ctx context.Context, h *host.Host, config string, first []setting) (map[string]string, error) {
	args := []string{"-T", "-f", h.Path(config)}
	for _, s := range first {
		args = append(args, "-o", s.key+"="+s.value)
	}
	out, err := h.Run(ctx, nil, sshd, args...)
	if err != nil {
		return nil, err
	}
	m := map[string]string{}
	for line := range strings.Lines(string(out.Stdout)) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), " ")
		if m[k] == "" {
			m[k] = v
		}
	}
	return m, nil
}

// differ lists what of the wanted settings is not so.
func differ(now, after map[string]string, wanted []setting) []string {
	var out []string
	for _, s := range wanted {
		if k := strings.ToLower(s.key); now[k] != after[k] {
			out = append(out, fmt.Sprintf("%s is %s, not %s", s.key, now[k], after[k]))
		}
	}
	return out
}

// previous reads our file as it is.
func previous(h *host.Host, file string) (arming, error) {
	a := arming{File: file}
	b, err := h.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return a, err
	}
	st, err := os.Lstat(h.Path(file))
	if err != nil {
		return a, err
	}
	if !st.Mode().IsRegular() {
		return a, errLayout{file + " is not a plain file; remove it"}
	}
	a.Had, a.Before, a.Mode = true, b, uint32(st.Mode().Perm())
	return a, nil
}
