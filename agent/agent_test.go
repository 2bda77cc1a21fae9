package agent

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast"
	"holdfast/agent/port"
	"holdfast/agent/wire"
	"holdfast/ingest/input"
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

// memory is a Backend in memory that holds what the contract says.
type memory struct {
	mu      sync.Mutex
	tokens  map[string]string // hash to key that used it
	assets  map[string]bool
	batches map[string]int
	records []holdfast.Record
	facts   int
	beats   []wire.Heartbeat
	tasks   []holdfast.Task
	results map[string]holdfast.Result
	full    bool
	change  chan struct{}
}

func (m *memory) Enrol(_ context.Context, secret string, h wire.Host) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	used, ok := m.tokens[wire.HashSecret(secret)]
	if !ok || used != "" && used != h.Key {
		return "", holdfast.ErrForbidden
	}
	m.tokens[wire.HashSecret(secret)] = h.Key
	id := holdfast.StableID("ast", h.Key)
	m.assets[id] = true
	return id, nil
}

func (m *memory) Allowed(_ context.Context, asset, _ string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.assets[asset] {
		return holdfast.ErrForbidden
	}
	return nil
}

func (m *memory) Events(_ context.Context, asset, id string, rs []holdfast.Record) (wire.Accepted, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.full {
		return wire.Accepted{}, holdfast.ErrFull
	}
	if n, ok := m.batches[id]; ok {
		if n != len(rs) {
			return wire.Accepted{}, fmt.Errorf("batch %s changed", id)
		}
		return wire.Accepted{Doubled: true}, nil
	}
	for _, r := range rs {
		if r.Asset != asset || !strings.HasPrefix(r.Source, asset+"/") {
			return wire.Accepted{}, errors.New("not the agent's")
		}
	}
	m.batches[id] = len(rs)
	m.records = append(m.records, rs...)
	return wire.Accepted{Stored: len(rs)}, nil
}

func (m *memory) Facts(context.Context, string, holdfast.Facts) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.facts++
	return nil
}

func (m *memory) Heartbeat(_ context.Context, _ string, h wire.Heartbeat) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.beats = append(m.beats, h)
	return nil
}

func (m *memory) Tasks(ctx context.Context, asset string) ([]holdfast.Task, error) {
	for {
		m.mu.Lock()
		var open []holdfast.Task
		for _, t := range m.tasks {
			if _, done := m.results[t.ID]; !done {
				open = append(open, t)
			}
		}
		ch := m.change
		m.mu.Unlock()
		if len(open) > 0 {
			return open, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ch:
		}
	}
}

func (m *memory) Result(_ context.Context, _ string, r holdfast.Result) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.results[r.Task] = r
	return nil
}

func (m *memory) give(t holdfast.Task) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tasks = append(m.tasks, t)
	close(m.change)
	m.change = make(chan struct{})
}

type lab struct {
	t      *testing.T
	m      *memory
	ca     *port.CA
	key    ed25519.PrivateKey
	server string
	token  string
	n      uint64
}

func newLab(t *testing.T) *lab {
	t.Helper()
	ca, err := port.NewCA(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	m := &memory{tokens: map[string]string{}, assets: map[string]bool{}, batches: map[string]int{}, results: map[string]holdfast.Result{}, change: make(chan struct{})}
	p, err := port.New(port.Options{CA: ca, Backend: m, TaskKey: pub, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Serve(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	l := &lab{t: t, m: m, ca: ca, key: key, server: "https://" + ln.Addr().String()}
	l.token = l.newToken()
	return l
}

func (l *lab) newToken() string {
	tok, err := l.ca.NewToken()
	if err != nil {
		l.t.Fatal(err)
	}
	l.m.mu.Lock()
	l.m.tokens[tok.Hash()] = ""
	l.m.mu.Unlock()
	return tok.String()
}

func (l *lab) options(dir string) Options {
	exe, err := os.Executable()
	if err != nil {
		l.t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	return Options{
		Dir: dir, Server: l.server, Token: l.token, Host: host.New(log, clock.System{}), Clock: clock.System{}, Log: log,
		Version: "test", Actions: []action.Action{fileAction()}, Watch: []string{exe, "undo-watch"},
	}
}

// start runs an agent until the returned function is called.
func (l *lab) start(o Options) (asset string, stop func()) {
	l.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ids, done := make(chan string, 1), make(chan error, 1)
	o.Enrolled = func(id string) { ids <- id }
	go func() { done <- Run(ctx, o) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				l.t.Errorf("run: %v", err)
			}
		})
	}
	l.t.Cleanup(stop)
	select {
	case asset = <-ids:
	case err := <-done:
		l.t.Fatalf("run ended: %v", err)
	case <-time.After(10 * time.Second):
		l.t.Fatal("not enrolled in time")
	}
	return asset, stop
}

func (l *lab) task(asset, verb, subject string, p *holdfast.Plan, params any) holdfast.Task {
	l.t.Helper()
	l.n++
	raw, err := json.Marshal(params)
	if err != nil {
		l.t.Fatal(err)
	}
	t := holdfast.Task{
		ID: holdfast.NewID("tsk"), Asset: asset, Part: "action/make-file", Verb: verb, Subject: subject,
		Params: raw, Plan: p, Counter: l.n, Made: time.Now().UTC(), Expires: time.Now().UTC().Add(time.Minute),
	}
	if err := t.Sign(l.key); err != nil {
		l.t.Fatal(err)
	}
	return t
}

func (l *lab) do(t holdfast.Task) holdfast.Result {
	l.t.Helper()
	l.m.give(t)
	return l.result(func(r holdfast.Result) bool { return r.Task == t.ID })
}

func (l *lab) result(which func(holdfast.Result) bool) (found holdfast.Result) {
	l.t.Helper()
	until(l.t, "a result", func() bool {
		l.m.mu.Lock()
		defer l.m.mu.Unlock()
		for _, r := range l.m.results {
			if which(r) {
				found = r
				return true
			}
		}
		return false
	})
	return found
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func exists(p string) bool { _, err := os.Stat(p); return err == nil }

func (l *lab) apply(asset, subject string, p fileParams) (holdfast.Plan, holdfast.Result) {
	l.t.Helper()
	r := l.do(l.task(asset, holdfast.VerbPlan, subject, nil, p))
	if r.Error != "" || r.Plan == nil {
		l.t.Fatalf("plan: %+v", r)
	}
	return *r.Plan, l.do(l.task(asset, holdfast.VerbApply, subject, r.Plan, nil))
}

func TestChangeIsConfirmedAndItsLeaseEndsWithTheAgentDead(t *testing.T) {
	l := newLab(t)
	asset, stop := l.start(l.options(t.TempDir()))
	path := filepath.Join(t.TempDir(), "made")
	plan, r := l.apply(asset, "act-1", fileParams{Path: path, Lease: holdfast.Duration(2 * time.Second), Confirm: holdfast.Duration(time.Second)})
	if r.Error != "" || !exists(path) {
		t.Fatalf("apply: %+v", r)
	}
	if r := l.do(l.task(asset, holdfast.VerbConfirm, "act-1", &plan, nil)); r.Error != "" {
		t.Fatalf("confirm: %+v", r)
	}
	if r := l.do(l.task(asset, holdfast.VerbVerify, "act-1", &plan, nil)); r.Proof == nil || !r.Proof.Holds {
		t.Fatalf("verify: %+v", r)
	}
	stop()
	until(t, "the lease's end", func() bool { return !exists(path) })
	if b, _ := os.ReadFile(path + ".undos"); string(b) != "u" {
		t.Fatalf("undone %q", b)
	}
}

func TestUnconfirmedChangeIsUndoneAndTold(t *testing.T) {
	l := newLab(t)
	asset, _ := l.start(l.options(t.TempDir()))
	path := filepath.Join(t.TempDir(), "made")
	plan, r := l.apply(asset, "act-1", fileParams{Path: path, Confirm: holdfast.Duration(300 * time.Millisecond)})
	if r.Error != "" {
		t.Fatalf("apply: %+v", r)
	}
	got := l.result(func(r holdfast.Result) bool { return r.Cause == "unconfirmed" })
	if got.Subject != "act-1" || got.Proof == nil || !got.Proof.Holds || exists(path) {
		t.Fatalf("%+v", got)
	}
	if r := l.do(l.task(asset, holdfast.VerbConfirm, "act-1", &plan, nil)); r.Error == "" {
		t.Fatal("a late confirmation was taken")
	}
}

func TestUndoTaskDisarms(t *testing.T) {
	l := newLab(t)
	dir := t.TempDir()
	asset, _ := l.start(l.options(dir))
	path := filepath.Join(t.TempDir(), "made")
	plan, _ := l.apply(asset, "act-1", fileParams{Path: path, Lease: holdfast.Duration(time.Hour)})
	if r := l.do(l.task(asset, holdfast.VerbUndo, "act-1", &plan, nil)); r.Error != "" || r.Proof == nil || !r.Proof.Holds || exists(path) {
		t.Fatalf("undo: %+v", r)
	}
	s, err := ReadStatus(dir, clock.System{})
	if err != nil || len(s.Armed) != 0 || !s.Running || s.Asset != asset {
		t.Fatalf("%+v, %v", s, err)
	}
}

func TestTasksAreRefused(t *testing.T) {
	l := newLab(t)
	o := l.options(t.TempDir())
	o.Refuse = Refuse{Parts: []string{"action/never"}, Accounts: []string{"breakglass"}, Addresses: []string{"10.0.0.0/8"}}
	asset, _ := l.start(o)
	path := filepath.Join(t.TempDir(), "made")
	if _, r := l.apply(asset, "act-0", fileParams{Path: path}); r.Error != "" {
		t.Fatalf("%+v", r)
	}
	resign := func(t *holdfast.Task) { _ = t.Sign(l.key) }
	for name, spoil := range map[string]func(*holdfast.Task){
		"forged":   func(t *holdfast.Task) { t.By = "somebody else" },
		"replayed": func(t *holdfast.Task) { t.Counter = 1; resign(t) },
		"expired":  func(t *holdfast.Task) { t.Expires = t.Made.Add(-time.Second); resign(t) },
		"other":    func(t *holdfast.Task) { t.Asset = "ast-other"; resign(t) },
		"part":     func(t *holdfast.Task) { t.Part = "action/never"; resign(t) },
		"account":  func(t *holdfast.Task) { t.Params = holdfast.Raw(`{"path":"breakglass"}`); resign(t) },
		"address":  func(t *holdfast.Task) { t.Params = holdfast.Raw(`{"path":"10.1.2.3"}`); resign(t) },
	} {
		task := l.task(asset, holdfast.VerbPlan, "act-1", nil, fileParams{Path: path})
		spoil(&task)
		if r := l.do(task); !r.Refused || r.Error == "" || r.Plan != nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestEnrolmentIsRefused(t *testing.T) {
	l := newLab(t)
	l.start(l.options(t.TempDir()))
	other, err := port.NewCA(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	wrongCA, err := other.NewToken()
	if err != nil {
		t.Fatal(err)
	}
	unknown, err := l.ca.NewToken()
	if err != nil {
		t.Fatal(err)
	}
	for name, tok := range map[string]string{"used": l.token, "another authority": wrongCA.String(), "unknown": unknown.String(), "none": "", "cut": l.token[:20]} {
		o := l.options(t.TempDir())
		o.Token = tok
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := Enrol(ctx, o)
		cancel()
		if !errors.Is(err, holdfast.ErrForbidden) && !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRecordsArriveOnceAndSoon(t *testing.T) {
	l := newLab(t)
	lines := make(chan string)
	o := l.options(t.TempDir())
	o.InputKinds = []input.Input{{Name: "test", Run: func(ctx context.Context, _ input.Config, env input.Env) error {
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return nil
			case s := <-lines:
				if err := env.Sink.Put(ctx, []holdfast.Record{{Source: "test", Position: fmt.Sprint(i), Received: time.Now(), Raw: []byte(s)}}); err != nil {
					return err
				}
				if err := env.Positions.Save("test", fmt.Sprint(i)); err != nil {
					return err
				}
			}
		}
	}}}
	o.Inputs = []input.Config{{Kind: "test"}, {Kind: "unheard-of"}}
	l.start(o)
	count := func() int { l.m.mu.Lock(); defer l.m.mu.Unlock(); return len(l.m.records) }
	began := time.Now()
	lines <- "one"
	until(t, "the line", func() bool { return count() == 1 })
	if took := time.Since(began); took > time.Second {
		t.Errorf("a line took %v", took)
	}
	l.m.mu.Lock()
	l.m.full = true
	l.m.mu.Unlock()
	for i := range 50 {
		lines <- fmt.Sprint(i)
	}
	l.m.mu.Lock()
	l.m.full = false
	l.m.mu.Unlock()
	until(t, "all lines", func() bool { return count() == 51 })
	until(t, "a note", func() bool {
		l.m.mu.Lock()
		defer l.m.mu.Unlock()
		return len(l.m.beats) > 0 && l.m.beats[len(l.m.beats)-1].Notes["unheard-of:"] != ""
	})
}
