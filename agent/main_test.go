package agent

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"holdfast"
	"holdfast/internal/clock"
	"holdfast/internal/host"
	"holdfast/respond/action"
)

// TestMain lets the test's own program be the watchdog, and a whole agent that
// can be killed.
func TestMain(m *testing.M) {
	if len(os.Args) < 2 || os.Args[1] != "undo-watch" && os.Args[1] != "agent" {
		os.Exit(m.Run())
	}
	fs := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	dir, subject := fs.String("dir", "", ""), fs.String("subject", "", "")
	server, token := fs.String("server", "", ""), fs.String("token", "", "")
	_ = fs.Parse(os.Args[2:])
	var err error
	if os.Args[1] == "agent" {
		err = Run(context.Background(), testOptions(*dir, *server, *token))
	} else {
		err = UndoWatch(context.Background(), WatchOptions{
			Dir: *dir, Subject: *subject, Actions: []action.Action{fileAction()},
			Host: host.New(slog.New(slog.DiscardHandler), clock.System{}), Clock: clock.System{},
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func testOptions(dir, server, token string) Options {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	log := slog.New(slog.DiscardHandler)
	return Options{
		Dir: dir, Server: server, Token: token, Host: host.New(log, clock.System{}), Clock: clock.System{}, Log: log,
		Version: "test", Actions: []action.Action{fileAction()}, Watch: []string{exe, "undo-watch"},
	}
}

type fileParams struct {
	Path    string            `json:"path"`
	Lease   holdfast.Duration `json:"lease"`
	Confirm holdfast.Duration `json:"confirm"`
}

// hold waits at a place in the action for as long as the test wants it there.
func hold(path, where string) {
	for exists(path + ".hold-" + where) {
		_ = os.WriteFile(path+".at-"+where, nil, 0o600)
		time.Sleep(2 * time.Millisecond)
	}
}

// count notes one more of what was done to a path.
func count(path, what string) error {
	f, err := os.OpenFile(path+"."+what, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString("x")
	return errors.Join(err, f.Close())
}

func counted(path, what string) int {
	b, err := os.ReadFile(path + "." + what)
	if err != nil {
		return 0
	}
	return len(b)
}

// fileAction makes a file, and undoes it by taking it away, counting both.
func fileAction() action.Action {
	get := func(raw json.RawMessage) (p fileParams, err error) { err = json.Unmarshal(raw, &p); return p, err }
	there := func(want bool) func(context.Context, *host.Host, holdfast.Plan) (holdfast.Proof, error) {
		return func(_ context.Context, _ *host.Host, p holdfast.Plan) (holdfast.Proof, error) {
			q, err := get(p.Params)
			_, serr := os.Stat(q.Path)
			return holdfast.Proof{Holds: (serr == nil) == want}, err
		}
	}
	return action.Action{
		Name: "make-file",
		Plan: func(_ context.Context, _ *host.Host, raw json.RawMessage) (holdfast.Plan, error) {
			q, err := get(raw)
			return holdfast.Plan{Summary: "make " + q.Path, Lease: q.Lease, Confirm: q.Confirm, Undo: raw}, err
		},
		Apply: func(_ context.Context, _ *host.Host, p holdfast.Plan) error {
			q, err := get(p.Params)
			if err != nil {
				return err
			}
			hold(q.Path, "before")
			err = errors.Join(count(q.Path, "applies"), os.WriteFile(q.Path, []byte("x"), 0o600))
			hold(q.Path, "after")
			return err
		},
		Verify: there(true), VerifyUndone: there(false),
		Undo: func(_ context.Context, _ *host.Host, p holdfast.Plan) error {
			q, err := get(p.Undo)
			if err != nil {
				return err
			}
			return errors.Join(count(q.Path, "undos"), os.RemoveAll(q.Path))
		},
	}
}
