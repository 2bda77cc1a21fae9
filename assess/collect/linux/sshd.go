package linux

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"holdfast"
	"holdfast/assess/collect"
	"holdfast/internal/host"
)

func sshd() collect.Collector {
	return collect.Collector{
		Name: "linux.sshd", Description: "The settings that sshd has in effect, all files and defaults taken together.", OS: linuxOnly, References: []string{"sshd(8), option -T", "sshd_config(5)"}, Needs: "root: the host keys that sshd -T loads",
		Tables: []collect.Schema{{Name: "sshd", Columns: sshdColumns()}},
		Collect: func(ctx context.Context, h *host.Host) ([]holdfast.Table, error) {
			program := "/usr/sbin/sshd"
			if err := missing(h, path.Dir(program)); err != nil { // it would be elsewhere, if anywhere
				return one(failed(h, "sshd", err)), nil
			}
			if !h.Exists(program) {
				return one(table(h, "sshd")), nil // no SSH server is installed
			}
			out, err := h.Run(ctx, nil, h.Path(program), "-T", "-f", h.Path("/etc/ssh/sshd_config"))
			if err != nil && os.Geteuid() != 0 {
				err = fmt.Errorf("%w; it needs root to read the host keys", err)
			}
			if err != nil {
				return one(failed(h, "sshd", err)), nil
			}
			t := table(h, "sshd")
			r := parseSSHD(out.Stdout)
			m := matchBlocks{}
			if err := m.read(h, "/etc/ssh/sshd_config", "", 0); err != nil {
				return one(failed(h, "sshd", err)), nil
			}
			r["match"] = list(m.settings)
			add(&t, r)
			return one(t), nil
		},
	}
}

func sshdColumns() []collect.Column {
	cols := []collect.Column{
		{Name: "passwordauthentication", Type: "string"},
		{Name: "permitrootlogin", Type: "string"},
		{Name: "match", Type: "list", Description: "what Match blocks change, which -T does not show: \"user bob: passwordauthentication yes\""},
	}
	for _, name := range sshdLists {
		cols = append(cols, collect.Column{Name: name, Type: "list"})
	}
	return append(cols, collect.Column{Name: collect.Rest, Type: "string", Description: "every other keyword of sshd -T, lower case"})
}

var sshdLists = []string{"port", "listenaddress", "hostkey", "acceptenv", "subsystem", "allowusers", "denyusers", "allowgroups", "denygroups", "setenv", "permitlisten", "permitopen"}

func parseSSHD(b []byte) holdfast.Row {
	r := holdfast.Row{}
	for _, l := range lines(b) {
		k, v, _ := strings.Cut(strings.TrimSpace(l), " ")
		k = strings.ToLower(k)
		if k == "" {
			continue
		}
		if !slices.Contains(sshdLists, k) {
			r[k] = v
			continue
		}
		have, _ := r[k].([]any)
		r[k] = append(have, v)
	}
	return r
}

// matchBlocks gathers what stands in Match blocks: sshd -T tells the settings
// of nobody in particular, and a block may give somebody other ones.
type matchBlocks struct{ settings []string }

// maxMatch bounds what is kept of them.
const maxMatch = 1000

func (m *matchBlocks) read(h *host.Host, file, within string, depth int) error {
	b, err := h.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) && depth > 0 {
		return nil
	}
	if err != nil {
		return err
	}
	for _, x := range m.parse(b, within) {
		if depth >= maxIncludes {
			return errors.New(file + " includes more files than are followed")
		}
		if !strings.HasPrefix(x.pattern, "/") {
			x.pattern = path.Join("/etc/ssh", x.pattern)
		}
		files, shut := expand(h, x.pattern)
		if len(shut) > 0 {
			return &fs.PathError{Op: "open", Path: shut[0], Err: fs.ErrPermission}
		}
		for _, f := range files {
			if err := m.read(h, f, x.within, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// sshdInclude is a pattern of files, and the Match block that names it. A Match
// line inside an included file ends with that file.
type sshdInclude struct{ pattern, within string }

func (m *matchBlocks) parse(b []byte, within string) []sshdInclude {
	var incs []sshdInclude
	outer := within
	for _, l := range lines(b) {
		f := strings.Fields(strings.Replace(strings.TrimSpace(l), "=", " ", 1))
		if len(f) < 2 || f[0][0] == '#' {
			continue
		}
		value := strings.Trim(strings.Join(f[1:], " "), `"`)
		switch key := strings.ToLower(f[0]); {
		case key == "match" && strings.EqualFold(value, "all"):
			within = outer
			if within == "" {
				within = "all"
			}
		case key == "match":
			within = strings.ToLower(f[1]) + " " + strings.Join(f[2:], " ")
		case key == "include":
			for _, p := range f[1:] {
				incs = append(incs, sshdInclude{strings.Trim(p, `"`), within})
			}
		case within != "" && len(m.settings) < maxMatch:
			m.settings = append(m.settings, strings.TrimSpace(within)+": "+key+" "+value)
		}
	}
	return incs
}
