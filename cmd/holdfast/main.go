// Command holdfast is the server and its command line: one file a verb. It is
// the only place that reads configuration and wires the stages together.
//
// Exit codes: 0 done and all holds, 1 an error, 2 wrong usage, 3 what was asked
// about does not hold, 4 not found, 5 not allowed or not logged in, 6 refused
// or in conflict with how things stand, 7 the server cannot be reached.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"holdfast"
	"holdfast/internal/clock"
)

// version is set by the linker.
var version = "dev"

// The exit codes.
const (
	exitError       = 1
	exitUsage       = 2
	exitBroken      = 3
	exitNotFound    = 4
	exitForbidden   = 5
	exitConflict    = 6
	exitUnreachable = 7
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// errBroken ends a command with exit code 3: it worked, and what it was asked
// about does not hold.
var errBroken = errors.New("does not hold")

// errUsage marks a wrong call.
type errUsage struct{ error }

func (e errUsage) Unwrap() error { return e.error }

// app is what the verbs share.
type app struct {
	in       io.Reader
	out, err io.Writer
	server   string
	token    string
	data     string
	json     bool
	more     string // what is said at the end of an answer that is not all
	clock    clock.Clock
}

func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	a := &app{in: in, out: out, err: errOut, clock: clock.System{}}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if !errors.Is(err, errBroken) {
		fmt.Fprintln(errOut, "holdfast:", err)
	}
	return exitCode(err)
}

func exitCode(err error) int {
	var usage errUsage
	var away errAway
	switch {
	case errors.As(err, &usage), strings.HasPrefix(err.Error(), "unknown command"), strings.HasPrefix(err.Error(), "unknown flag"):
		return exitUsage
	case errors.Is(err, errBroken):
		return exitBroken
	case errors.Is(err, holdfast.ErrNotFound):
		return exitNotFound
	case errors.Is(err, holdfast.ErrForbidden):
		return exitForbidden
	case errors.Is(err, holdfast.ErrConflict), errors.Is(err, holdfast.ErrRefused):
		return exitConflict
	case errors.As(err, &away):
		return exitUnreachable
	}
	return exitError
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "holdfast",
		Short: "Say what must hold; Holdfast makes it so, proves it, watches it and leads the response",
		Long: `Say what must hold. Holdfast makes it so, proves that it does, watches for the
moment it doesn't, and leads the response until it holds again.

Exit codes: 0 done and all holds, 1 error, 2 wrong usage, 3 does not hold,
4 not found, 5 not allowed, 6 refused or conflict, 7 server not reachable.`,
		Example: `  holdfast up                       start the server and an agent for this host
  holdfast status                   is everything flowing, is anything lost
  holdfast requirements             what holds and what does not
  holdfast query 'action:login_failed | summarize count() by src_ip'`,
		SilenceUsage: true, SilenceErrors: true, Version: version,
		PersistentPostRun: func(*cobra.Command, []string) {
			if a.more != "" {
				fmt.Fprintln(a.err, a.more)
			}
		},
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return errUsage{fmt.Errorf("%w; see %s --help", err, c.CommandPath())}
	})
	f := root.PersistentFlags()
	f.StringVar(&a.server, "server", os.Getenv("HOLDFAST_SERVER"), "the server's address (HOLDFAST_SERVER); default: the one that runs from --data")
	f.StringVar(&a.token, "token", "", "an API token (better: HOLDFAST_TOKEN, which other users of this machine cannot see)")
	f.StringVar(&a.data, "data", envOr("HOLDFAST_DATA", defaultData()), "the data folder (HOLDFAST_DATA)")
	f.BoolVar(&a.json, "json", false, "answer in JSON")
	root.AddCommand(
		a.up(), a.status(), a.health(), alsoList(a.assets()), a.facts(), alsoList(a.checks()), alsoList(a.requirements()), a.plan(), a.apply(), a.verify(),
		a.query(), a.lsp(), a.search(), a.hunt(), alsoList(a.alerts()), alsoList(a.incidents()), alsoList(a.actions()), alsoList(a.evidence()), a.inputs(), alsoList(a.users()), alsoList(a.drills()), a.rules(), a.exceptions(), a.scan(),
		a.store(), a.ingest(),
		a.openapi(), a.versionCmd(), a.undoWatch(),
	)
	for _, c := range root.Commands() {
		group(c)
	}
	return root
}

// alsoList has a command that lists things take the word for it as well, as those
// do that have others beside it.
func alsoList(c *cobra.Command) *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: c.Short, Hidden: true, Args: exactly(0, "no arguments"), Example: "  holdfast " + c.Name() + " list",
		RunE: func(l *cobra.Command, _ []string) error { return c.RunE(l, nil) },
	}
	list.Flags().AddFlagSet(c.Flags())
	c.AddCommand(list)
	return c
}

// group makes a command that only holds others refuse a word that none of them
// is: cobra shows the help, and ends as if all were well.
func group(c *cobra.Command) {
	for _, sub := range c.Commands() {
		group(sub)
	}
	if c.Runnable() || !c.HasSubCommands() {
		return
	}
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		return errUsage{fmt.Errorf("there is no %s %s; see %s --help", c.CommandPath(), args[0], c.CommandPath())}
	}
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

func defaultData() string {
	if os.Geteuid() == 0 {
		return "/var/lib/holdfast"
	}
	if home, err := os.UserHomeDir(); err == nil {
		return home + "/.local/share/holdfast"
	}
	return "holdfast-data"
}

// exactly says how many arguments a verb takes.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return errUsage{fmt.Errorf("%s takes %s; see %s --help", c.Name(), what, c.CommandPath())}
		}
		return nil
	}
}

func atLeast(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < n {
			return errUsage{fmt.Errorf("%s takes %s; see %s --help", c.Name(), what, c.CommandPath())}
		}
		return nil
	}
}

func atMost(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > n {
			return errUsage{fmt.Errorf("%s takes %s; see %s --help", c.Name(), what, c.CommandPath())}
		}
		return nil
	}
}

func (a *app) versionCmd() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", Example: "  holdfast version\n  holdfast version --json", Args: exactly(0, "no arguments"), RunE: func(*cobra.Command, []string) error {
		if a.json {
			return a.print(map[string]string{"version": version})
		}
		fmt.Fprintln(a.out, "holdfast", version)
		return nil
	}}
}
