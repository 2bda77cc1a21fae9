package linux

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"holdfast"
	"holdfast/assess/collect"
	"holdfast/internal/host"
)

func sudoers() collect.Collector {
	return collect.Collector{
		Name: "linux.sudoers", Description: "Who may become whom with sudo, rule by rule, aliases and Defaults !authenticate worked in.", OS: linuxOnly, References: []string{"sudoers(5), section SUDOERS FILE FORMAT"}, Needs: "root: the sudoers files",
		Tables: []collect.Schema{{Name: "sudoers", Columns: []collect.Column{
			{Name: "who", Type: "string"}, {Name: "hosts", Type: "string"}, {Name: "runas", Type: "string"}, {Name: "nopasswd", Type: "bool"}, {Name: "commands", Type: "string"}, {Name: "file", Type: "string"}, {Name: "line", Type: "int"},
		}}},
		Collect: func(_ context.Context, h *host.Host) ([]holdfast.Table, error) {
			if err := missing(h, "/etc"); err != nil {
				return one(failed(h, "sudoers", err)), nil
			}
			if !h.Exists("/etc/sudoers") {
				return one(table(h, "sudoers")), nil // sudo is not installed
			}
			t := table(h, "sudoers")
			s := sudoBook{aliases: map[string][]string{}}
			if err := s.read(h, &t, "/etc/sudoers", 0); err != nil {
				return one(failed(h, "sudoers", err)), nil
			}
			s.rows(&t)
			return one(t), nil
		},
	}
}

const (
	maxIncludes = 10
	maxAliases  = 1000 // names that one list may grow to
)

// sudoBook is what all files say together: aliases may be used before they are
// defined, and in other files.
type sudoBook struct {
	aliases map[string][]string
	rules   []sudoRule
	spent   int      // aliases opened so far
	free    []string // whom Defaults !authenticate asks no password of; "ALL" for everybody
}

type sudoRule struct {
	who, hosts, rest, file string
	line                   int64
}

type include struct {
	path string
	dir  bool
}

func (s *sudoBook) read(h *host.Host, t *holdfast.Table, file string, depth int) error {
	b, err := h.ReadFile(file)
	if err != nil {
		return err
	}
	includes := s.parse(file, b)
	if depth >= maxIncludes {
		if len(includes) > 0 {
			t.Partial = file + " includes more files than are followed"
		}
		return nil
	}
	for _, inc := range includes {
		if !strings.HasPrefix(inc.path, "/") {
			inc.path = filepath.Join(filepath.Dir(file), inc.path)
		}
		if !inc.dir {
			if err := s.read(h, t, inc.path, depth+1); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			continue
		}
		entries, err := os.ReadDir(h.Path(inc.path))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			if n := e.Name(); e.IsDir() || strings.HasSuffix(n, "~") || strings.Contains(n, ".") {
				continue // sudo passes them over as well
			}
			if err := s.read(h, t, inc.path+"/"+e.Name(), depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// parse takes in one file and returns what it includes.
func (s *sudoBook) parse(file string, b []byte) []include {
	var incs []include
	joined, at := "", 0
	for i, l := range lines(b) {
		if joined == "" {
			at = i + 1
		}
		if rest, ok := strings.CutSuffix(l, `\`); ok {
			joined += rest + " "
			continue
		}
		l, joined = strings.TrimSpace(strings.ReplaceAll(joined+l, "\t", " ")), ""
		f := strings.Fields(l)
		if len(f) == 0 {
			continue
		}
		switch f[0] {
		case "@includedir", "#includedir", "@include", "#include":
			if len(f) > 1 {
				incs = append(incs, include{strings.Trim(strings.Join(f[1:], " "), `"`), strings.HasSuffix(f[0], "dir")})
			}
			continue
		}
		if l = strings.TrimSpace(uncomment(l)); l != "" {
			s.line(l, file, int64(at))
		}
	}
	return incs
}

// uncomment cuts a comment off: a # that stands at the beginning or after a
// space and is not the beginning of a user id.
func uncomment(l string) string {
	for i := 0; i < len(l); i++ {
		if l[i] == '\\' {
			i++
			continue
		}
		if l[i] == '#' && (i == 0 || strings.IndexByte(" \t", l[i-1]) >= 0) && (i+1 == len(l) || l[i+1] < '0' || l[i+1] > '9') {
			return l[:i]
		}
	}
	return l
}

func (s *sudoBook) line(l, file string, at int64) {
	word, rest, _ := strings.Cut(l, " ")
	switch {
	case strings.HasPrefix(word, "Defaults"):
		if slices.ContainsFunc(strings.Split(rest, ","), func(o string) bool { return strings.TrimSpace(o) == "!authenticate" }) {
			switch scope := strings.TrimPrefix(word, "Defaults"); {
			case scope == "":
				s.free = append(s.free, "ALL")
			case scope[0] == ':':
				s.free = append(s.free, strings.Split(scope[1:], ",")...)
			}
		}
	case slices.Contains([]string{"User_Alias", "Runas_Alias", "Host_Alias", "Cmnd_Alias", "Cmd_Alias"}, word):
		for def := range strings.SplitSeq(rest, ":") {
			if name, list, ok := strings.Cut(def, "="); ok {
				s.aliases[strings.TrimSpace(name)] = members(list)
			}
		}
	default:
		who, rest, ok := strings.Cut(l, "=")
		f := strings.Fields(who)
		if ok && len(f) >= 2 {
			s.rules = append(s.rules, sudoRule{strings.Join(f[:len(f)-1], " "), f[len(f)-1], strings.TrimSpace(rest), file, at})
		}
	}
}

// members splits a list at its commas, but not at \, and not inside ( ).
func members(list string) []string {
	var out []string
	start, depth := 0, 0
	for i := 0; i <= len(list); i++ {
		if i < len(list) {
			switch list[i] {
			case '\\':
				i++
				continue
			case '(':
				depth++
			case ')':
				depth--
			}
			if list[i] != ',' || depth > 0 {
				continue
			}
		}
		if m := strings.TrimSpace(list[start:min(i, len(list))]); m != "" {
			out = append(out, m)
		}
		start = i + 1
	}
	return out
}

// open replaces the aliases in a list by what they stand for.
func (s *sudoBook) open(list []string, depth int) []string {
	var out []string
	for _, m := range list {
		to, ok := s.aliases[m]
		if s.spent++; !ok || depth >= maxIncludes || s.spent > collect.MaxRows {
			out = append(out, m)
		} else {
			out = append(out, s.open(to, depth+1)...)
		}
		if len(out) > maxAliases {
			return out[:maxAliases]
		}
	}
	return out
}

// rows writes the rules out: one row for each run of commands with the same
// target and the same need of a password.
func (s *sudoBook) rows(t *holdfast.Table) {
	for _, r := range s.rules {
		who := s.open(members(r.who), 0)
		free := slices.ContainsFunc(s.open(s.free, 0), func(f string) bool { return f == "ALL" || slices.Contains(who, f) })
		runas, nopasswd := "root", free
		var commands []string
		end := func() {
			if len(commands) > 0 {
				add(t, holdfast.Row{"who": strings.Join(who, ", "), "hosts": r.hosts, "runas": runas, "nopasswd": nopasswd, "commands": strings.Join(commands, ", "), "file": r.file, "line": r.line})
			}
			commands = nil
		}
		for _, spec := range members(r.rest) {
			as, pass, command := runas, nopasswd, spec
			if strings.HasPrefix(command, "(") {
				if inner, after, ok := strings.Cut(command[1:], ")"); ok {
					as, command = inner, strings.TrimSpace(after)
				}
			}
			for {
				tag, after, ok := strings.Cut(command, ":")
				tag = strings.TrimSpace(tag)
				if !ok || tag == "" || strings.ToUpper(tag) != tag || strings.ContainsAny(tag, " /") {
					break
				}
				switch tag {
				case "NOPASSWD":
					pass = true
				case "PASSWD":
					pass = false
				}
				command = strings.TrimSpace(after)
			}
			if command == "" {
				continue // no rule that sudo would take
			}
			if as != runas || pass != nopasswd {
				end()
				runas, nopasswd = as, pass
			}
			commands = append(commands, s.open([]string{command}, 0)...)
		}
		end()
	}
}
