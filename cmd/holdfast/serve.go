package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast"
	"holdfast/agent"
	"holdfast/agent/port"
	"holdfast/api"
	"holdfast/api/account"
	"holdfast/api/authz"
	collectors "holdfast/assess/collect/all"
	artefacts "holdfast/control/artefact/all"
	"holdfast/ingest/input"
	inputs "holdfast/ingest/input/all"
	"holdfast/internal/host"
	"holdfast/internal/intake"
	actions "holdfast/respond/action/all"
	"holdfast/spine"
	"holdfast/web"
)

func listen(ctx context.Context, addr, what, flag string) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening for %s: %w; choose another address with %s", what, err, flag)
	}
	return ln, nil
}

func (a *app) runHouse(ctx context.Context, h *house, console, agents net.Listener) error {
	policy, err := authz.New()
	if err != nil {
		return err
	}
	scheme := "http"
	if h.tls != nil {
		scheme = "https"
	}
	origin := scheme + "://" + console.Addr().String()
	gate, err := h.gate(ctx, policy)
	if err != nil {
		return err
	}
	handler := api.New(api.Options{
		State: h.state, Accounts: h.accounts, Policy: policy, Events: h.events, Datasets: h.ingest.Datasets(), Loop: h.spine, Evidence: evidenceLog{h.evidence, h.spine.CarryEvidence, h.node.evidence}, Console: web.Handler(),
		Ingest: h.waysIn(gate), Clock: h.clock, Log: h.log, Version: version, Secure: h.tls != nil, Origin: origin,
	})
	p, err := port.New(port.Options{
		CA: h.ca, Backend: spine.Agents{Spine: h.spine}, TaskKey: h.taskKey.Public().(ed25519.PublicKey), Clock: h.clock, Log: h.log,
	})
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return h.spine.Run(ctx) })
	if h.places != nil {
		g.Go(func() error { h.places.Watch(ctx, 10*time.Second); return nil })
	}
	g.Go(func() error { return serveHTTP(ctx, console, handler, h.tls, h.log) })
	if h.node.roles.Ingest {
		g.Go(func() error {
			gate.Keep(ctx, func(ctx context.Context, text string) error { return h.state.SetSetting(ctx, h.sentSetting(), text) })
			return nil
		})
		g.Go(func() error { return p.Serve(ctx, agents) })
		for _, in := range h.cfg.inputs() {
			g.Go(func() error { return h.runInput(ctx, in) })
		}
	}
	if !h.cfg.NoAgent && h.node.roles.Ingest {
		g.Go(func() error { return h.runAgent(ctx, agents.Addr().String()) })
	}
	if err := a.welcome(ctx, h, origin); err != nil {
		return err
	}
	err = g.Wait()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// gate lets senders over HTTP in, by what they had sent before a restart; nil on a
// node that takes no records in.
func (h *house) gate(ctx context.Context, policy *authz.Policy) (*intake.Gate, error) {
	if !h.node.roles.Ingest {
		return nil, nil
	}
	key, err := h.state.SettingOr(ctx, "hec.ack.key", func() (string, error) { return rand.Text(), nil })
	if err != nil {
		return nil, err
	}
	gate := intake.New(intake.Options{
		Sink: h.ingest, Refused: h.ingest.Refuse, Room: h.bus.Room, Authorise: api.Authorise(h.accounts, policy, h.log), AckKey: []byte(key),
		Clock: h.clock, Log: h.log.With("input", "http"),
	})
	switch text, err := h.state.Setting(ctx, h.sentSetting()); {
	case errors.Is(err, holdfast.ErrNotFound):
	case err != nil:
		return nil, err
	default:
		if err := gate.Recall(text); err != nil {
			h.log.Warn("quotas begin anew", "error", err)
		}
	}
	return gate, nil
}

// sentSetting is where it is kept what senders have sent to this node.
func (h *house) sentSetting() string { return "senders.sent:" + h.node.id }

// waysIn are those over HTTP, on a node that takes records in.
func (h *house) waysIn(gate *intake.Gate) func(*http.Request) http.Handler {
	if gate == nil {
		return nil
	}
	return waysIn(gate)
}

func serveHTTP(ctx context.Context, ln net.Listener, handler http.Handler, t *tls.Config, log *slog.Logger) error {
	s := &http.Server{
		Handler: handler, TLSConfig: t, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		Protocols: protocols(), BaseContext: func(net.Listener) context.Context { return ctx }, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() {
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		if err := s.Shutdown(bye); err != nil {
			_ = s.Close()
		}
	})
	defer stop()
	var err error
	if t != nil {
		err = s.ServeTLS(ln, "", "")
	} else {
		err = s.Serve(ln)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// protocols are those of senders too: gRPC needs HTTP/2, also where there is no
// TLS.
func protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// env is what an input on the server is given. Network inputs keep no
// positions.
func (h *house) env(kind string) input.Env {
	return input.Env{Sink: h.ingest, Positions: noPositions{}, Log: h.log.With("input", kind), Clock: h.clock, Note: h.ingest.Note}
}

type noPositions struct{}

func (noPositions) Load(string) (string, bool) { return "", false }
func (noPositions) Save(string, string) error  { return nil }

func (h *house) runInput(ctx context.Context, cfg input.Config) error {
	for _, k := range inputs.All() {
		if k.Name == cfg.Kind {
			if err := k.Run(ctx, cfg, h.env(cfg.Kind)); err != nil && ctx.Err() == nil {
				h.log.Error("an input ended", "input", cfg.Kind, "where", cfg.Where, "error", err)
				h.ingest.Note(cfg.Kind+":"+cfg.Where, err.Error())
			}
			return nil
		}
	}
	return errUsage{fmt.Errorf("there is no input %q", cfg.Kind)}
}

// runAgent runs the agent of this very host.
func (h *house) runAgent(ctx context.Context, server string) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	dir := filepath.Join(h.cfg.Data, "agent")
	token := ""
	if st, err := agent.ReadStatus(dir, h.clock); err != nil || st.Asset == "" {
		name := spine.LocalToken
		if h.node.run != "" {
			name = "" // local to this node, not to the one that looks at hosts
		}
		if token, err = h.spine.Enrol(ctx, "holdfast", name, time.Hour); err != nil {
			return err
		}
	}
	self := host.New(h.log, h.clock)
	self.Management = append([]string{"127.0.0.0/8", "::1"}, h.cfg.Management...)
	cfgs := h.cfg.ownInputs(self)
	err = agent.Run(ctx, agent.Options{
		Dir: dir, Server: "https://" + server, Token: token, Inputs: cfgs, InputKinds: inputs.All(), Collectors: collectors.All(),
		Actions: actions.All(), Artefacts: artefacts.All(), Host: self, Clock: h.clock, Log: h.log, Version: version, Reserve: h.cfg.Reserve, Refuse: agent.Rights(), Watch: []string{exe, agent.WatchCommand},
	})
	if err != nil && ctx.Err() == nil {
		h.log.Error("this host's agent ended; the server goes on without it", "error", err)
	}
	return nil
}

// welcome leaves the contact for the command line, and prints where to look.
func (a *app) welcome(ctx context.Context, h *house, origin string) error {
	admin := "admin"
	if _, err := h.state.Users().Get(ctx, admin); errors.Is(err, holdfast.ErrNotFound) {
		u := holdfast.User{Name: admin, Roles: holdfast.Roles(), Created: h.clock.Now().UTC()}
		if err := h.state.Users().Put(ctx, u); err != nil {
			return err
		}
	}
	secret, _, err := h.accounts.Issue(ctx, holdfast.TokenAPI, admin, "command line", 30*24*time.Hour)
	if err != nil {
		return err
	}
	b, err := json.Marshal(contact{URL: origin, Token: secret, CA: string(h.certPEM)})
	if err != nil {
		return err
	}
	if err := host.WriteAtomic(filepath.Join(h.cfg.Data, contactFile), b, 0o600); err != nil {
		return err
	}
	link, _, err := h.accounts.Issue(ctx, holdfast.TokenLogin, admin, "", account.LoginTTL)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "Holdfast %s\n", version)
	fmt.Fprintf(a.out, "  log in, once and within 30 minutes:  %s/login#token=%s\n", origin, link)
	fmt.Fprintf(a.out, "  data:    %s\n", h.cfg.Data)
	fmt.Fprintf(a.out, "  command line:  holdfast --data %s status\n", h.cfg.Data)
	if h.cfg.NoAgent {
		return nil
	}
	if os.Geteuid() != 0 {
		fmt.Fprintln(a.out, "  not root: some facts and logs cannot be read; `holdfast status` says which")
	}
	return nil
}
