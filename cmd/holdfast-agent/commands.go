package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"holdfast"
	"holdfast/agent"
	collectall "holdfast/assess/collect/all"
	artefactall "holdfast/control/artefact/all"
	"holdfast/ingest/input"
	inputall "holdfast/ingest/input/all/hosts"
	"holdfast/internal/clock"
	"holdfast/internal/host"
	actionall "holdfast/respond/action/all"
)

const codes = `
Exit codes: 0 well; 1 failed; 2 the command line or a file is wrong;
3 the server does not know or allow this agent, or the token is wrong;
4 no such thing.

Environment: HOLDFAST_AGENT_DIR, HOLDFAST_AGENT_SERVER and HOLDFAST_AGENT_TOKEN
stand for the flags of the same name.`

type flags struct {
	dir, server, token string
	inputs, management []string
	readOnly           bool
	spoolMiB           int64
	json               bool
}

func root(stdout, stderr io.Writer) *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:           "holdfast-agent",
		Short:         "Send this host's events and facts to Holdfast, and carry out its signed tasks",
		Long:          "Send this host's events and facts to Holdfast, and carry out its signed tasks.\n" + codes,
		Example:       "  holdfast-agent enrol --server https://holdfast.example:7443 --token hf1.…\n  holdfast-agent run",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noWords,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.SetOut(stdout)
	c.SetErr(stderr)
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage{err} })
	c.PersistentFlags().StringVar(&f.dir, "dir", env("HOLDFAST_AGENT_DIR", defaultDir()), "the agent's folder")
	c.AddCommand(enrolCommand(&f), runCommand(&f), statusCommand(&f), watchCommand(&f), versionCommand())
	return c
}

// noWords refuses a command that is not there, and words after one that takes
// none, as wrong command lines.
func noWords(c *cobra.Command, words []string) error {
	if len(words) == 0 {
		return nil
	}
	err := fmt.Errorf("%s knows no %q; see %s --help", c.CommandPath(), words[0], c.CommandPath())
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(words[0]); len(near) > 0 {
		err = fmt.Errorf("%s knows no %q; did you mean %q?", c.CommandPath(), words[0], near[0])
	}
	return usage{err}
}

func env(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

func defaultDir() string {
	if runtime.GOOS == "windows" {
		return filepath.Join(env("ProgramData", `C:\ProgramData`), "holdfast-agent")
	}
	if os.Geteuid() == 0 {
		return "/var/lib/holdfast-agent"
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "state", "holdfast-agent")
	}
	return "holdfast-agent"
}

func serverFlags(c *cobra.Command, f *flags) {
	c.Flags().StringVar(&f.server, "server", os.Getenv("HOLDFAST_AGENT_SERVER"), "https://address:port of the server's agent port")
	// The token is no default of the flag: help would show it.
	c.Flags().StringVar(&f.token, "token", "", "one-use enrolment token; better given by HOLDFAST_AGENT_TOKEN, which other users cannot see")
}

// options are what every command of the agent shares.
func (f *flags) options(stderr io.Writer) (agent.Options, error) {
	if f.server == "" {
		f.server = f.rememberedServer()
	}
	if f.token == "" {
		f.token = os.Getenv("HOLDFAST_AGENT_TOKEN")
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	if f.server == "" {
		return agent.Options{}, usage{fmt.Errorf("which server? give --server https://address:port: %w", holdfast.ErrInvalid)}
	}
	exe, err := os.Executable()
	if err != nil {
		return agent.Options{}, fmt.Errorf("own program: %w", err)
	}
	h := host.New(log, clock.System{})
	h.Management = f.management
	return agent.Options{
		Dir: f.dir, Server: f.server, Token: f.token, Version: version, Host: h, Clock: clock.System{}, Log: log,
		InputKinds: inputall.All(), Collectors: collectall.All(), Actions: actionall.All(), Artefacts: artefactall.All(),
		Watch: []string{exe, "undo-watch"}, SpoolMax: f.spoolMiB << 20, Refuse: agent.Refuse{ReadOnly: f.readOnly, Lacks: agent.Rights().Lacks},
	}, nil
}

func (f *flags) serverPath() string { return filepath.Join(f.dir, "server") }

// rememberedServer is the one that enrol was given.
func (f *flags) rememberedServer() string {
	b, err := os.ReadFile(f.serverPath())
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func enrolCommand(f *flags) *cobra.Command {
	c := &cobra.Command{
		Use: "enrol", Short: "Get this host's identity from the server, once", Args: noWords,
		Example: "  holdfast-agent enrol --server https://holdfast.example:7443 --token hf1.…",
		RunE: func(c *cobra.Command, _ []string) error {
			o, err := f.options(c.ErrOrStderr())
			if err != nil {
				return err
			}
			asset, err := agent.Enrol(c.Context(), o)
			if err != nil {
				return err
			}
			if err := host.WriteAtomic(f.serverPath(), []byte(f.server+"\n"), 0o600); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "This host is the asset %s. Start the agent with: holdfast-agent run\n", asset)
			return err
		},
	}
	serverFlags(c, f)
	return c
}

func runCommand(f *flags) *cobra.Command {
	c := &cobra.Command{
		Use: "run", Short: "Run the agent until it is stopped", Args: noWords,
		Example: "  holdfast-agent run\n  holdfast-agent run --input file:/var/log/auth.log --input journald --read-only",
		RunE: func(c *cobra.Command, _ []string) error {
			o, err := f.options(c.ErrOrStderr())
			if err != nil {
				return err
			}
			o.Inputs = inputsOf(f.inputs, o.InputKinds)
			return agent.Run(c.Context(), o)
		},
	}
	serverFlags(c, f)
	c.Flags().StringArrayVar(&f.inputs, "input", nil, "kind:where to read, such as file:/var/log/auth.log; without it, the journal or the usual log files")
	c.Flags().StringArrayVar(&f.management, "management", nil, "address or prefix that must never lose access to this host")
	c.Flags().BoolVar(&f.readOnly, "read-only", false, "refuse to change anything on this host")
	c.Flags().Int64Var(&f.spoolMiB, "spool-mib", 256, "how much to hold on disk while the server is away")
	return c
}

// inputsOf reads the --input flags; without any it takes what this host has.
func inputsOf(given []string, kinds []input.Input) []input.Config {
	var cfgs []input.Config
	for _, g := range given {
		kind, where, _ := strings.Cut(g, ":")
		cfgs = append(cfgs, input.Config{Kind: kind, Where: where})
	}
	if len(cfgs) > 0 || runtime.GOOS != "linux" {
		return cfgs
	}
	has := map[string]bool{}
	for _, k := range kinds {
		has[k.Name] = true
	}
	if _, err := os.Stat("/run/systemd/journal"); err == nil && has["journald"] {
		return []input.Config{{Kind: "journald"}}
	}
	for _, p := range []string{"/var/log/auth.log", "/var/log/secure", "/var/log/syslog", "/var/log/messages"} {
		if has["file"] {
			cfgs = append(cfgs, input.Config{Kind: "file", Where: p})
		}
	}
	return cfgs
}

func statusCommand(f *flags) *cobra.Command {
	c := &cobra.Command{
		Use: "status", Short: "Show this host's identity and the undos armed on it", Args: noWords,
		Example: "  holdfast-agent status --json",
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := agent.ReadStatus(f.dir, clock.System{})
			if err != nil {
				return err
			}
			out := c.OutOrStdout()
			if f.json {
				e := json.NewEncoder(out)
				e.SetIndent("", "  ")
				return e.Encode(s)
			}
			fmt.Fprintf(out, "asset    %s\nrunning  %t\nrenews   %s\narmed    %d\n", s.Asset, s.Running, s.Renew.Format("2006-01-02 15:04:05 MST"), len(s.Armed))
			for _, e := range s.Armed {
				fmt.Fprintf(out, "  %s  %s  undone at %s (%s)\n", e.Subject, e.Part, e.Deadline.Format("2006-01-02 15:04:05 MST"), e.Cause)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&f.json, "json", false, "as JSON")
	return c
}

func watchCommand(f *flags) *cobra.Command {
	var subject string
	c := &cobra.Command{
		Use: "undo-watch", Hidden: true, Args: noWords,
		RunE: func(c *cobra.Command, _ []string) error {
			log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
			return agent.UndoWatch(c.Context(), agent.WatchOptions{
				Dir: f.dir, Subject: subject, Actions: actionall.All(), Artefacts: artefactall.All(),
				Host: host.New(log, clock.System{}), Clock: clock.System{},
			})
		},
	}
	c.Flags().StringVar(&subject, "subject", "", "the action or change to watch")
	return c
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noWords,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(c.OutOrStdout(), "holdfast-agent %s %s/%s\n", version, runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
