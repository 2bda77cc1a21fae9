package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"holdfast"
	"holdfast/agent"
	"holdfast/agent/lock"
	"holdfast/agent/port"
	"holdfast/api"
	"holdfast/api/account"
	"holdfast/api/authz"
	"holdfast/assess"
	collectors "holdfast/assess/collect/all"
	"holdfast/content"
	"holdfast/control"
	artefacts "holdfast/control/artefact/all"
	"holdfast/detect"
	"holdfast/drill"
	"holdfast/ingest"
	"holdfast/ingest/input"
	inputs "holdfast/ingest/input/all"
	ndjson "holdfast/ingest/input/http"
	parsers "holdfast/ingest/parser/all"
	"holdfast/internal/clock"
	"holdfast/internal/host"
	"holdfast/respond"
	actions "holdfast/respond/action/all"
	"holdfast/spine"
	"holdfast/store/bus"
	"holdfast/store/events"
	"holdfast/store/evidence"
	"holdfast/store/state"
	"holdfast/web"
)

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
  holdfast up --syslog 127.0.0.1:5514 --auto-approve action/block-address`,
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
	cfg   config
	log   *slog.Logger
	clock clock.Clock
	close []func() error

	state    *state.DB
	bus      *bus.Bus
	events   *events.Store
	evidence *evidence.Log
	ingest   *ingest.Ingest
	spine    *spine.Spine
	accounts *account.Accounts
	ca       *port.CA
	taskKey  ed25519.PrivateKey
	tls      *tls.Config
	certPEM  []byte
}

func (a *app) serve(ctx context.Context, cfg config) (err error) {
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
	h := &house{cfg: cfg, clock: clock.System{}, log: slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: cfg.level()}))}
	defer func() {
		for i := len(h.close) - 1; i >= 0; i-- {
			err = errors.Join(err, h.close[i]())
		}
	}()
	if err := h.open(ctx); err != nil {
		return err
	}
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

func listen(ctx context.Context, addr, what, flag string) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening for %s: %w; choose another address with %s", what, err, flag)
	}
	return ln, nil
}

// open opens the stores and stages, from below.
func (h *house) open(ctx context.Context) (err error) {
	in := func(name string) string { return filepath.Join(h.cfg.Data, name) }
	if h.state, err = state.Open(ctx, in("state.db"), h.clock); err != nil {
		return err
	}
	h.close = append(h.close, h.state.Close)
	if h.bus, err = bus.Open(ctx, bus.Options{Dir: in("bus"), Reserve: h.cfg.Reserve, Log: h.log}); err != nil {
		return err
	}
	h.close = append(h.close, h.bus.Close)
	if h.events, err = events.Open(ctx, events.Options{Dir: in("events"), Manifest: h.state, Clock: h.clock, Log: h.log}); err != nil {
		return err
	}
	h.close = append(h.close, h.events.Close)
	if err := h.keys(ctx); err != nil {
		return err
	}
	if h.accounts, err = account.New(accountBook{h.state}, h.clock); err != nil {
		return err
	}
	return h.stages(ctx)
}

// keys reads the server's keys, or makes them at the first start.
func (h *house) keys(ctx context.Context) error {
	private, err := h.secret(ctx, "evidence.key", func() (string, error) {
		private, public, err := evidence.NewKey()
		if err != nil {
			return "", err
		}
		return private, host.WriteAtomic(filepath.Join(h.cfg.Data, evidencePublic), []byte(public+"\n"), 0o644)
	})
	if err != nil {
		return err
	}
	if h.evidence, err = evidence.Open(filepath.Join(h.cfg.Data, "evidence"), private); err != nil {
		return err
	}
	h.close = append(h.close, h.evidence.Close)
	task, err := h.secret(ctx, "task.key", func() (string, error) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return base64.StdEncoding.EncodeToString(key), err
	})
	if err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(task)
	if err != nil || len(raw) != ed25519.PrivateKeySize {
		return fmt.Errorf("the task key in the state is damaged: %w", holdfast.ErrInvalid)
	}
	h.taskKey = raw
	ca, err := h.secret(ctx, "agents.ca", func() (string, error) {
		ca, err := port.NewCA(h.clock.Now())
		if err != nil {
			return "", err
		}
		b, err := ca.PEM()
		return string(b), err
	})
	if err != nil {
		return err
	}
	if h.ca, err = port.LoadCA([]byte(ca)); err != nil {
		return err
	}
	if h.cfg.secure() {
		h.tls, h.certPEM, err = serverTLS(h.cfg)
	}
	return err
}

func (h *house) secret(ctx context.Context, name string, make func() (string, error)) (string, error) {
	v, err := h.state.Setting(ctx, name)
	if !errors.Is(err, holdfast.ErrNotFound) {
		return v, err
	}
	if v, err = make(); err != nil {
		return "", err
	}
	return v, h.state.SetSetting(ctx, name, v)
}

func (h *house) stages(ctx context.Context) error {
	drills := &drill.Runner{Clock: h.clock, Log: h.log}
	h.ingest = ingest.New(ingest.Options{
		Parsers: parsers.All(), Bus: h.bus, Clock: h.clock, Log: h.log,
		Drill: func(text string) string { return h.spine.Marker(text) }, // nothing comes in before the spine is there
		Asset: func(name string) string { return h.spine.AssetOf(name) },
	})
	detector := detect.New(detect.Options{Datasets: h.ingest.Datasets(), Clock: h.clock, Log: h.log})
	assessor := assess.New(assess.Options{Clock: h.clock, Log: h.log})
	book := control.New(control.Options{Clock: h.clock, Log: h.log, Management: h.cfg.Management})
	for _, x := range []struct {
		folder string
		load   func(shipped fs.FS, user string) holdfast.Faults
	}{
		{"rules", func(f fs.FS, user string) holdfast.Faults {
			return detector.Load(detect.Source{Name: "shipped/rules", FS: f}, detect.Dir(user))
		}},
		{"checks", func(f fs.FS, user string) holdfast.Faults {
			return assessor.Load(assess.Source{Name: "shipped/checks", FS: f}, assess.Source{Name: user, FS: os.DirFS(user)})
		}},
		{"requirements", func(f fs.FS, user string) holdfast.Faults {
			return book.Load(control.Source{Name: "shipped/requirements", FS: f}, control.Source{Name: user, FS: os.DirFS(user)})
		}},
	} {
		user := filepath.Join(h.cfg.Data, x.folder)
		if err := os.MkdirAll(user, 0o700); err != nil {
			return err
		}
		shipped, err := fs.Sub(content.FS, x.folder)
		if err != nil {
			return err
		}
		if faults := x.load(shipped, user); len(faults) > 0 {
			h.log.Warn("some "+x.folder+" were not loaded; the rest is in force", "faults", faults.Error())
		}
	}
	auto := map[string]bool{}
	for _, p := range h.cfg.AutoApprove {
		auto[p] = true
	}
	var err error
	h.spine, err = spine.New(ctx, spine.Options{
		State: h.state, Bus: h.bus, Events: h.events, Evidence: h.evidence, Ingest: h.ingest, Detect: detector, Assess: checks{assessor}, Control: book,
		Respond: &respond.Runner{Parts: parts(), AutoApprove: auto, Clock: h.clock, Log: h.log}, Drills: drills,
		Lossy: lossy(), CA: h.ca, TaskKey: h.taskKey, Parts: catalogues(), Clock: h.clock, Log: h.log, Version: version, DataDir: h.cfg.Data,
		Troubles: func() []spine.Trouble { return h.cfg.drifted(h.clock.Now().UTC()) },
	})
	return err
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
	handler := api.New(api.Options{
		State: h.state, Accounts: h.accounts, Policy: policy, Events: h.events, Loop: h.spine, Evidence: evidenceLog{h.evidence}, Console: web.Handler(),
		Ingest: ndjson.Handler(h.env("http"), api.Authorise(h.accounts, policy)), Clock: h.clock, Log: h.log, Version: version, Secure: h.tls != nil, Origin: origin,
	})
	p, err := port.New(port.Options{
		CA: h.ca, Backend: spine.Agents{Spine: h.spine}, TaskKey: h.taskKey.Public().(ed25519.PublicKey), Clock: h.clock, Log: h.log,
	})
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return h.spine.Run(ctx) })
	g.Go(func() error { return serveHTTP(ctx, console, handler, h.tls, h.log) })
	g.Go(func() error { return p.Serve(ctx, agents) })
	for _, in := range h.cfg.inputs() {
		g.Go(func() error { return h.runInput(ctx, in) })
	}
	if !h.cfg.NoAgent {
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

func serveHTTP(ctx context.Context, ln net.Listener, handler http.Handler, t *tls.Config, log *slog.Logger) error {
	s := &http.Server{
		Handler: handler, TLSConfig: t, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx }, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
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
		if token, err = h.spine.Enrol(ctx, "holdfast", spine.LocalToken, time.Hour); err != nil {
			return err
		}
	}
	self := host.New(h.log, h.clock)
	self.Management = append([]string{"127.0.0.0/8", "::1"}, h.cfg.Management...)
	cfgs := h.cfg.Inputs
	if len(cfgs) == 0 {
		cfgs = inputs.Defaults(self)
	}
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

// lossy says which ways in promise less than the others.
func lossy() map[string]string {
	out := map[string]string{}
	for _, in := range inputs.All() {
		if in.Lossy != "" {
			out[in.Name+":udp:"] = in.Lossy
		}
	}
	return out
}

// catalogues describes every part for people.
func catalogues() map[string][]spine.Part {
	out := map[string][]spine.Part{}
	for _, x := range actions.All() {
		out["actions"] = append(out["actions"], spine.Part{Name: x.Name, Title: x.Title, Description: x.Description, References: x.References, Never: x.Never})
	}
	for _, x := range artefacts.All() {
		out["artefacts"] = append(out["artefacts"], spine.Part{Name: x.Name, Title: x.Title, Description: x.Description, References: x.References, Never: x.Never})
	}
	for _, x := range inputs.All() {
		out["inputs"] = append(out["inputs"], spine.Part{Name: x.Name, Title: x.Title, Description: x.Description, References: x.References})
	}
	for _, x := range parsers.All() {
		out["parsers"] = append(out["parsers"], spine.Part{Name: x.Name, Title: x.Title, Description: x.Description, References: x.References})
	}
	for _, x := range collectors.All() {
		out["collectors"] = append(out["collectors"], spine.Part{Name: x.Name, Description: x.Description, References: x.References})
	}
	for _, x := range drill.Kinds() {
		out["drills"] = append(out["drills"], spine.Part{Name: x.Name, Title: x.Title, Description: x.Description})
	}
	return out
}

// checks shows package assess as the spine wants it.
type checks struct{ *assess.Assessor }

func (c checks) Checks() []spine.CheckInfo {
	var out []spine.CheckInfo
	for _, k := range c.List() {
		out = append(out, spine.CheckInfo{
			ID: k.ID, Title: k.Title, Severity: k.Severity, Description: k.Description, References: k.References,
			Expression: k.Expression(), Maps: k.Maps, Fix: k.Fix, Source: k.Source,
		})
	}
	return out
}

// evidenceLog shows the log as the API wants it.
type evidenceLog struct{ *evidence.Log }

func (l evidenceLog) List(before uint64, limit int) ([]api.EvidenceEntry, error) {
	list, err := l.Log.List(before, limit)
	out := make([]api.EvidenceEntry, len(list))
	for i, e := range list {
		out[i] = api.EvidenceEntry{Index: e.Index, Evidence: e.Evidence}
	}
	return out, err
}

// accountBook keeps users and tokens in the state.
type accountBook struct{ db *state.DB }

func (b accountBook) User(ctx context.Context, name string) (holdfast.User, error) {
	return b.db.Users().Get(ctx, name)
}

func (b accountBook) PutUser(ctx context.Context, u holdfast.User) error {
	return b.db.Users().Put(ctx, u)
}

func (b accountBook) Token(ctx context.Context, hash string) (holdfast.Token, error) {
	return b.db.TokenByHash(ctx, hash)
}

func (b accountBook) PutToken(ctx context.Context, t holdfast.Token) error {
	return b.db.Tokens().Put(ctx, t)
}

func (b accountBook) TakeToken(ctx context.Context, hash string) (holdfast.Token, error) {
	return b.db.TakeToken(ctx, hash)
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
		Use: "openapi", Short: "Print the description of the HTTP API (OpenAPI 3.1)", Args: exactly(0, "no arguments"),
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
