package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"holdfast"
	"holdfast/internal/host"
	"holdfast/spine"
	"holdfast/store/events"
	"holdfast/store/state"
)

// node is this node among others.
type node struct {
	id       string // stays the same over restarts
	run      string // of this run; "" for a node alone
	roles    spine.Roles
	evidence string // the id of the node that keeps the evidence log
}

func stateAddress(v string) error {
	if !state.IsAddress(v) {
		return fmt.Errorf("%q is no PostgreSQL database; write it as postgres://holdfast@db.example:5432/holdfast", v)
	}
	return nil
}

// checkCluster looks at what only goes together.
func (c *config) checkCluster() error {
	roles, err := spine.ParseRoles(c.Role)
	switch {
	case err != nil:
		return errUsage{fmt.Errorf("--role: %w", err)}
	case c.Bus != "" && c.State == "":
		return errUsage{errors.New("--bus: several nodes need one state, too; name a database with --state postgres://…")}
	case c.Bus != "" && c.Events == "":
		return errUsage{errors.New("--bus: several nodes need one store of events, too; name a folder that all of them share, or a ClickHouse database, with --events")}
	case events.IsClickHouse(c.Events) && events.CheckClickHouse(c.Events) != nil:
		return errUsage{fmt.Errorf("--events: %w", events.CheckClickHouse(c.Events))}
	case c.Bus == "" && !roles.All():
		return errUsage{errors.New("--role: with one role only, the others are another node's; name what they share with --bus, --state and --events")}
	}
	return nil
}

func (h *house) openState(ctx context.Context) (err error) {
	if h.cfg.State != "" {
		h.state, err = state.OpenPostgres(ctx, h.cfg.State, h.clock)
	} else {
		h.state, err = state.Open(ctx, filepath.Join(h.cfg.Data, "state.db"), h.clock)
	}
	return err
}

// joinCluster finds this node's name and place, and refuses where two nodes
// would work on the same state with different buses.
func (h *house) joinCluster(ctx context.Context) (err error) {
	if h.node.roles, err = spine.ParseRoles(h.cfg.Role); err != nil {
		return err
	}
	if h.cfg.State == "" { // the data folder's lock keeps others out
		return nil
	}
	if h.node.id, err = nodeID(filepath.Join(h.cfg.Data, "node")); err != nil {
		return err
	}
	own := "embedded in " + h.node.id
	if h.cfg.Bus != "" {
		own = "a stream made " + h.bus.Made().UTC().Format(time.RFC3339Nano)
		h.node.run = holdfast.NewID(h.node.id)
	}
	has, err := h.state.SettingOr(ctx, "bus", func() (string, error) { return own, nil })
	if err != nil {
		return err
	}
	if has != own {
		return fmt.Errorf("this state belongs to another bus (%s, not %s), and its places mean nothing here; start with the bus it belongs to, or with an empty database: %w", has, own, holdfast.ErrConflict)
	}
	claim := func() (string, error) {
		if !h.node.roles.Serve {
			return "", fs.ErrNotExist
		}
		return h.node.id, nil
	}
	if h.node.evidence, err = h.state.SettingOr(ctx, "evidence.home", claim); errors.Is(err, fs.ErrNotExist) {
		h.node.evidence, err = "a node with the role serve, which has not started yet", nil
	}
	return err
}

// nodeID reads the name that this data folder's node goes by, or makes it.
func nodeID(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	name, err := os.Hostname()
	if err != nil {
		name = "node"
	}
	id := holdfast.NewID(name)
	return id, host.WriteAtomic(path, []byte(id+"\n"), 0o600)
}
