package main

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"holdfast/agent"
	"holdfast/agent/lock"
	"holdfast/agent/port"
	"holdfast/api"
	"holdfast/api/account"
	artefacts "holdfast/control/artefact/all"
	"holdfast/ingest"
	"holdfast/ingest/geoip"
	"holdfast/internal/clock"
	"holdfast/internal/host"
	"holdfast/internal/turn"
	actions "holdfast/respond/action/all"
	"holdfast/spine"
	"holdfast/store/bus"
	"holdfast/store/events"
	"holdfast/store/evidence"
	"holdfast/store/state"
)

// gcPercent is how much the heap of a server may grow before it is collected: to
// three times what is live, which is a tenth less work under full load.
const gcPercent = 200

func (a *app) up() *cobra.Command {
	cfg := defaultConfig()
	c := &cobra.Command{
		Use: "up", Short: "Start Holdfast: the server, and an agent for this host",
		Long: `Starts everything in one process on embedded defaults, and prints a one-time
login link. Listens on loopback unless told otherwise; anywhere else it speaks
TLS. Settings come from defaults, then --config, then HOLDFAST_… variables, then
flags. The configuration file has the flags' names as keys, and what this host's
agent reads:

  management: [10.0.0.0/24]
  auto-approve: [action/block-address]
  inputs:
    - {kind: file, where: /var/log/app/*.log}
    - {kind: journald}`,
		Example: `  holdfast up
  holdfast up --data /srv/holdfast --listen 0.0.0.0:8443 --agents 0.0.0.0:8444
  holdfast up --syslog 127.0.0.1:5514 --auto-approve action/block-address
  holdfast up --syslog-tls 0.0.0.0:6514 --syslog-zone 192.0.2.0/24=Europe/Berlin
  holdfast up --file '/srv/logs/**/*.log' --file /srv/evtx
  holdfast up --state postgres://holdfast@db/holdfast --bus nats://a:4222,b:4222,c:4222 --events /shared/events --role detect`,
		Args: exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(a.data, c.Flags())
			if err != nil {
				return err
			}
			return a.serve(c.Context(), cfg)
		},
	}
	cfg.flags(c.Flags())
	return c
}

// house is everything that `up` opens, closed in the reverse order.
type house struct {
	cfg    config
	memory shares
	log    *slog.Logger
	clock  clock.Clock
	turns  *turn.Turns
	close  []func() error

	state    *state.DB
	bus      *bus.Bus
	events   *events.Store
	evidence *evidence.Log
	ingest   *ingest.Ingest
	places   *geoip.Places // nil where no file is named
	spine    *spine.Spine
	accounts *account.Accounts
	ca       *port.CA
	taskKey  ed25519.PrivateKey
	tls      *tls.Config
	certPEM  []byte
	node     node
}

func (a *app) serve(ctx context.Context, cfg config) (err error) {
	memory := sharesOf(host.Memory())
	roomy(gcPercent, memory.heap)
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return fmt.Errorf("the data folder: %w; choose another with --data", err)
	}
	if cfg.Data, err = filepath.Abs(cfg.Data); err != nil {
		return err
	}
	l, err := lock.Try(filepath.Join(cfg.Data, "lock"))
	if err != nil {
		return fmt.Errorf("another Holdfast runs on %s: %w", cfg.Data, err)
	}
	defer func() { err = errors.Join(err, l.Unlock()) }()
	h := &house{cfg: cfg, memory: memory, clock: clock.System{}, log: slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: cfg.level()}))}
	defer func() {
		for i := len(h.close) - 1; i >= 0; i-- {
			err = errors.Join(err, h.close[i]())
		}
	}()
	room := newBallast(cfg, h.log)
	if err := room.start(); err != nil {
		return err
	}
	if err := h.open(ctx); err != nil {
		return err
	}
	go room.keep(ctx)
	console, err := listen(ctx, cfg.Listen, "the console", "--listen")
	if err != nil {
		return err
	}
	agents, err := listen(ctx, cfg.Agents, "agents", "--agents")
	if err != nil {
		return err
	}
	return a.runHouse(ctx, h, console, agents)
}

func (a *app) undoWatch() *cobra.Command {
	var dir, subject string
	c := &cobra.Command{
		Use: agent.WatchCommand, Hidden: true, Args: exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			k := clock.System{}
			return agent.UndoWatch(c.Context(), agent.WatchOptions{
				Dir: dir, Subject: subject, Actions: actions.All(), Artefacts: artefacts.All(), Host: host.New(slog.New(slog.DiscardHandler), k), Clock: k,
			})
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "")
	c.Flags().StringVar(&subject, "subject", "", "")
	return c
}

func (a *app) openapi() *cobra.Command {
	return &cobra.Command{
		Use: "openapi", Short: "Print the description of the HTTP API (OpenAPI 3.1)", Example: "  holdfast openapi | jq .paths", Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			b, err := api.Describe(version)
			if err != nil {
				return err
			}
			var v any
			if err := json.Unmarshal(b, &v); err != nil {
				return err
			}
			return a.print(v)
		},
	}
}
