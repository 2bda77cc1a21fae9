package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"holdfast"
	"holdfast/respond"
)

// understood says why the command line does not know a call, or nil.
func understood(call string) error {
	a := &app{in: strings.NewReader(""), out: io.Discard, err: io.Discard}
	args := strings.Fields(call)[1:]
	c, rest, err := a.root().Find(args)
	if err != nil {
		return err
	}
	c.SetOut(io.Discard)
	if err := c.ParseFlags(rest); err != nil {
		return err
	}
	if c == c.Root() {
		return fmt.Errorf("it names no verb")
	}
	if c.HasSubCommands() && c.Flags().NArg() > 0 && c.Args == nil {
		return cobra.NoArgs(c, c.Flags().Args())
	}
	if c.Args == nil {
		return nil
	}
	return c.Args(c, c.Flags().Args())
}

// TestGateNamesCommands asks for what stands open in every way there is: each
// next step is a command that exists, with its arguments and flags.
func TestGateNamesCommands(t *testing.T) {
	in := holdfast.Incident{
		ID: "inc-1", Assets: []string{"ast-1"}, Tasks: []holdfast.IncidentTask{{ID: "t1", Say: "do it"}},
		Requirements: []holdfast.BrokenRequirement{{Requirement: "ssh-hard", Asset: "ast-1", Check: "c"}},
	}
	calls := map[string]bool{}
	ask := func(g respond.GateInput) {
		for _, o := range respond.Gate(in, g) {
			if o.Do == "" {
				t.Errorf("%+v has no next step", o)
			}
			for _, part := range strings.Split(o.Do, ", or: ") {
				if i := strings.Index(part, "holdfast "); i >= 0 {
					calls[part[i:]] = true
				}
			}
		}
	}
	for _, status := range []holdfast.ActionStatus{
		holdfast.Proposed, holdfast.Planned, holdfast.Approved, holdfast.Applying, holdfast.Applied, holdfast.Verified, holdfast.Undoing, holdfast.Undone, holdfast.Failed,
	} {
		ask(respond.GateInput{Actions: []holdfast.Action{{ID: "act-1", Part: "action/block-address", Status: status, UndoProof: &holdfast.Proof{}}}})
	}
	for _, status := range []holdfast.Status{holdfast.Fail, holdfast.Unknown, holdfast.Pass} {
		ask(respond.GateInput{Verdicts: []holdfast.Verdict{{Asset: "ast-1", Check: "c", Status: status}}})
	}
	alert := holdfast.Alert{Asset: "ast-1", Stages: []holdfast.Stage{{Rule: "r", Level: holdfast.High}}}
	ask(respond.GateInput{Alerts: []holdfast.Alert{alert}})
	ask(respond.GateInput{Alerts: []holdfast.Alert{alert}, Drillers: map[string]string{"r": "ssh-bruteforce"}, Now: time.Now()})
	for call := range calls {
		if err := understood(call); err != nil {
			t.Errorf("%q: %v", call, err)
		}
	}
	if len(calls) < 10 {
		t.Errorf("only %d calls: %v", len(calls), calls)
	}
}

var quoted = regexp.MustCompile("`(holdfast [a-z][^`]*)`")

// TestMessagesNameCommands looks through every text of the program for commands
// in quotes, and through every example.
func TestMessagesNameCommands(t *testing.T) {
	var seen int
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			if err == nil && d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
				return fs.SkipDir
			}
			return err
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				return true
			}
			for _, m := range quoted.FindAllStringSubmatch(text, -1) {
				seen++
				if err := understood(strings.ReplaceAll(m[1], "%s", "x")); err != nil {
					t.Errorf("%s: %q: %v", set.Position(lit.Pos()), m[1], err)
				}
			}
			return true
		})
		return nil
	})
	if err != nil || seen < 5 {
		t.Errorf("%d texts, %v", seen, err)
	}
	a := &app{in: strings.NewReader(""), out: io.Discard, err: io.Discard}
	each(a.root(), func(c *cobra.Command) {
		for _, line := range strings.Split(c.Example, "\n") {
			line, _, _ = strings.Cut(line, "   ")
			line, _, _ = strings.Cut(line, " | ")
			if !strings.HasPrefix(strings.TrimSpace(c.Example), "holdfast ") {
				t.Errorf("%s: the example is no call: %q", c.CommandPath(), c.Example)
			}
			line = regexp.MustCompile(`'[^']*'?`).ReplaceAllString(strings.TrimSpace(line), "x")
			if !strings.HasPrefix(line, "holdfast ") {
				continue
			}
			if err := understood(line); err != nil {
				t.Errorf("example %q: %v", line, err)
			}
		}
	})
}

// each visits every command that people see.
func each(c *cobra.Command, f func(*cobra.Command)) {
	for _, x := range c.Commands() {
		if x.Hidden || x.Name() == "help" || x.Name() == "completion" {
			continue
		}
		if x.Example != "" {
			f(x)
		}
		each(x, f)
	}
}
