package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"holdfast"
	artefacts "holdfast/control/artefact/all"
	"holdfast/ingest/input"
	inputs "holdfast/ingest/input/all"
	"holdfast/internal/yamldoc"
	"holdfast/respond"
	actions "holdfast/respond/action/all"
	"holdfast/spine"
	"holdfast/spine/health"
	"holdfast/store/bus"
)

// settings are the keys of the configuration file, each with what one value of
// it must be; all but inputs are flags, too.
func settings() map[string]func(string) error {
	known := parts()
	any := func(string) error { return nil }
	return map[string]func(string) error{
		"listen": address, "agents": address, "syslog": address, "syslog-tls": address, "syslog-cert": any, "syslog-key": any, "syslog-ca": any, "management": prefix, "tls-cert": any, "tls-key": any, "events": any,
		"syslog-zone": func(v string) error {
			return withoutHead(checkInput(input.Config{Kind: "syslog", Where: "127.0.0.1:0", Options: map[string]string{"zone": v}}), "syslog: option zone: ")
		},
		"file":  func(v string) error { return withoutHead(checkInput(fileInput(v)), "file: ") },
		"state": stateAddress, "bus": bus.CheckAddress,
		"role": func(v string) error { _, err := spine.ParseRoles([]string{v}); return err },
		"auto-approve": func(v string) error {
			if _, ok := known[v]; !ok {
				return fmt.Errorf("there is no part %q; the parts are %s", v, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
			}
			return nil
		},
		"no-agent": yesNo, "own-rules": yesNo,
		"log-level": func(v string) error {
			var l slog.Level
			if err := l.UnmarshalText([]byte(v)); err != nil {
				return fmt.Errorf("%q is no level; write debug, info, warn or error", v)
			}
			return nil
		},
		"geoip": wholePath,
		"retention": func(v string) error {
			_, err := retentionSetting(v)
			return err
		},
		"health": func(v string) error {
			l := health.DefaultLimits()
			return l.Set(v)
		},
		"reserve": func(v string) error {
			if _, err := strconv.ParseUint(v, 10, 64); err != nil {
				return fmt.Errorf("%q is no number of bytes; write it as 67108864", v)
			}
			return nil
		},
	}
}

func wholePath(v string) error {
	if !filepath.IsAbs(v) {
		return fmt.Errorf("%q is no absolute path; write it from the root", v)
	}
	return nil
}

func yesNo(v string) error {
	if _, err := strconv.ParseBool(v); err != nil {
		return fmt.Errorf("%q is neither true nor false", v)
	}
	return nil
}

// lists are the settings that may have several values.
func lists(name string) bool {
	return name == "syslog" || name == "syslog-tls" || name == "syslog-zone" || name == "file" || name == "auto-approve" || name == "management" || name == "role" || name == "retention" || name == "geoip" || name == "health"
}

// limits are from when on something is wrong with the pipeline.
func (c *config) limits() (health.Limits, error) {
	l := health.DefaultLimits()
	for _, v := range c.Health {
		if err := l.Set(v); err != nil {
			return l, err
		}
	}
	return l, nil
}

// withoutHead leaves out what an error begins with, where its reader knows that.
func withoutHead(err error, head string) error {
	if err == nil {
		return nil
	}
	return errors.New(strings.TrimSuffix(strings.TrimPrefix(err.Error(), head), ": "+holdfast.ErrInvalid.Error()))
}

func address(v string) error {
	if _, _, err := net.SplitHostPort(v); err != nil {
		return fmt.Errorf("%q is no address to listen on; write it as 127.0.0.1:8440", v)
	}
	return nil
}

func prefix(v string) error {
	if _, err := netip.ParsePrefix(v); err == nil {
		return nil
	}
	if _, err := netip.ParseAddr(v); err != nil {
		return fmt.Errorf("%q is neither address nor prefix; write it as 10.0.0.1 or 10.0.0.0/24", v)
	}
	return nil
}

// parts are all that may be done to a host.
func parts() map[string]respond.Part {
	out := respond.PartsOf(actions.All())
	for _, a := range artefacts.All() {
		out["artefact/"+a.Name] = respond.Part{Title: a.Title}
	}
	return out
}

// check looks at the values that hold in the end. What is wrong in the file was
// named with its place before, so this is about flags and variables.
func (c *config) check() error {
	checks := settings()
	for _, x := range []struct {
		name   string
		values []string
	}{
		{"listen", []string{c.Listen}},
		{"agents", []string{c.Agents}},
		{"syslog", c.Syslog},
		{"syslog-tls", c.SyslogTLS},
		{"syslog-zone", c.SyslogZone},
		{"file", c.Files},
		{"management", c.Management},
		{"auto-approve", c.AutoApprove},
		{"log-level", []string{c.LogLevel}},
		{"role", c.Role},
		{"state", given(c.State)},
		{"bus", given(c.Bus)},
		{"retention", c.Retention},
		{"geoip", c.GeoIP},
		{"health", c.Health},
	} {
		for _, v := range x.values {
			if err := checks[x.name](v); err != nil {
				return errUsage{fmt.Errorf("--%s: %w", x.name, err)}
			}
		}
	}
	if err := c.checkWays(); err != nil {
		return errUsage{err}
	}
	return c.checkCluster()
}

func given(v string) []string {
	if v == "" {
		return nil
	}
	return []string{v}
}

// settingsFile is one configuration file under examination.
type settingsFile struct {
	path   string
	checks map[string]func(string) error
	faults holdfast.Faults
}

// checkSettings names what is wrong in a configuration file.
func checkSettings(path, text string) holdfast.Faults {
	doc, fault := yamldoc.Parse(path, text)
	if fault != nil {
		return holdfast.Faults{*fault}
	}
	if len(doc.Content) == 0 {
		return nil
	}
	f := &settingsFile{path: path, checks: settings()}
	f.keys(doc.Content[0], "the settings", func(key, value *yaml.Node) {
		check, known := f.checks[key.Value]
		switch {
		case key.Value == "inputs":
			f.inputs(value)
		case !known:
			f.wrong(key, "there is no setting %q", key.Value)("the settings are " + strings.Join(slices.Sorted(maps.Keys(f.checks)), ", ") + ", inputs; holdfast up --help explains them")
		case lists(key.Value) && value.Kind == yaml.SequenceNode:
			for _, v := range value.Content {
				f.value(key, v, check)
			}
		default:
			f.value(key, value, check)
		}
	})
	return f.faults
}

// wrong notes a fault, whose next step is to follow.
func (f *settingsFile) wrong(at *yaml.Node, format string, args ...any) func(do string) {
	return func(do string) {
		f.faults = append(f.faults, holdfast.Fault{File: f.path, Line: at.Line, Column: at.Column, What: fmt.Sprintf(format, args...), Do: do})
	}
}

// refused notes what a check said: what is wrong, a semicolon, what to do.
func (f *settingsFile) refused(at *yaml.Node, err error) {
	what, do, _ := strings.Cut(strings.TrimSuffix(err.Error(), ": "+holdfast.ErrInvalid.Error()), "; ")
	if do == "" {
		do = "correct it; holdfast up --help shows an example"
	}
	f.wrong(at, "%s", what)(do)
}

func (f *settingsFile) keys(n *yaml.Node, what string, each func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		f.wrong(n, "%s should be a map of keys", what)("write them as key: value, each on its line")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := n.Content[i]; seen[k.Value] {
			f.wrong(k, "the key %q stands twice", k.Value)("remove one")
		} else {
			seen[k.Value] = true
			each(k, n.Content[i+1])
		}
	}
}

func (f *settingsFile) value(key, v *yaml.Node, check func(string) error) {
	if v.Kind != yaml.ScalarNode {
		f.wrong(v, "%s should be a single value", key.Value)("write one, such as holdfast up --help shows")
		return
	}
	if err := check(v.Value); err != nil {
		f.refused(v, fmt.Errorf("%s: %w", key.Value, err))
	}
}

func (f *settingsFile) inputs(list *yaml.Node) {
	if list.Kind != yaml.SequenceNode {
		f.wrong(list, "inputs should be a list")("start each entry with -, such as - {kind: file, where: /var/log/auth.log}")
		return
	}
	for _, n := range list.Content {
		before := len(f.faults)
		cfg := input.Config{Options: map[string]string{}}
		f.keys(n, "an input", func(key, value *yaml.Node) {
			switch key.Value {
			case "kind":
				cfg.Kind = value.Value
			case "where":
				cfg.Where = value.Value
			case "dataset":
				cfg.Dataset = value.Value
			case "options":
				f.keys(value, "options", func(k, v *yaml.Node) { cfg.Options[k.Value] = v.Value })
			default:
				f.wrong(key, "an input has no key %q", key.Value)("the keys are kind, where, dataset and options")
			}
		})
		if len(f.faults) > before {
			continue
		}
		if err := checkInput(cfg); err != nil {
			f.refused(n, err)
		}
	}
}

func checkInput(cfg input.Config) error {
	var names []string
	for _, k := range inputs.All() {
		if k.Name == cfg.Kind {
			if k.Check == nil {
				return nil
			}
			return k.Check(cfg)
		}
		names = append(names, k.Name)
	}
	return fmt.Errorf("there is no input of the kind %q; the kinds are %s", cfg.Kind, strings.Join(names, ", "))
}

// drifted compares the configuration file with what the server was started
// with: that stays in force until it is started again.
func (c *config) drifted(now time.Time) []spine.Trouble {
	b, err := os.ReadFile(c.file)
	if err != nil && !os.IsNotExist(err) {
		return []spine.Trouble{{Source: c.file, Trouble: "cannot be read: " + err.Error() + "; make it readable before the next start", At: now}}
	}
	if string(b) == c.text {
		return nil
	}
	faults := checkSettings(c.file, string(b))
	if len(faults) == 0 {
		return []spine.Trouble{{Source: c.file, Trouble: "has changed since the start; start Holdfast again for it to count", At: now}}
	}
	var out []spine.Trouble
	for _, f := range faults {
		out = append(out, spine.Trouble{Source: "settings", Trouble: f.Error() + "; the settings of the start stay in force, and the next start would fail", At: now})
	}
	return out
}
