package agent

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"os"
	"testing"

	"holdfast"
	"holdfast/internal/clock"
	"holdfast/internal/host"
	"holdfast/respond/action"
)

// TestMain lets the test's own program be the watchdog.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "undo-watch" {
		fs := flag.NewFlagSet("watch", flag.ExitOnError)
		dir, subject := fs.String("dir", "", ""), fs.String("subject", "", "")
		_ = fs.Parse(os.Args[2:])
		log := slog.New(slog.DiscardHandler)
		err := UndoWatch(context.Background(), WatchOptions{
			Dir: *dir, Subject: *subject, Actions: []action.Action{fileAction()},
			Host: host.New(log, clock.System{}), Clock: clock.System{},
		})
		if err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

type fileParams struct {
	Path    string            `json:"path"`
	Lease   holdfast.Duration `json:"lease"`
	Confirm holdfast.Duration `json:"confirm"`
}

// fileAction makes a file, and undoes it by taking it away, noting each undo.
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
			return errors.Join(err, os.WriteFile(q.Path, []byte("x"), 0o600))
		},
		Verify: there(true), VerifyUndone: there(false),
		Undo: func(_ context.Context, _ *host.Host, p holdfast.Plan) error {
			q, err := get(p.Undo)
			if err != nil {
				return err
			}
			f, err := os.OpenFile(q.Path+".undos", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
			if err != nil {
				return err
			}
			_, err = f.WriteString("u")
			return errors.Join(err, f.Close(), os.RemoveAll(q.Path))
		},
	}
}
