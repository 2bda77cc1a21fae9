package agent

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"holdfast"
	"holdfast/agent/port"
	"holdfast/internal/clock"
)

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
	return newLabAt(t, clock.System{})
}

// newLabAt makes a lab whose server goes by c.
func newLabAt(t *testing.T, c clock.Clock) *lab {
	t.Helper()
	ca, err := port.NewCA(c.Now())
	if err != nil {
		t.Fatal(err)
	}
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	m := &memory{tokens: map[string]string{}, assets: map[string]bool{}, batches: map[string]int{}, results: map[string]holdfast.Result{}, change: make(chan struct{})}
	p, err := port.New(port.Options{CA: ca, Backend: m, TaskKey: pub, Clock: c, Log: slog.New(slog.DiscardHandler)})
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

func (l *lab) options(dir string) Options { return testOptions(dir, l.server, l.token) }

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
	case <-time.After(time.Minute):
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
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
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

func (l *lab) resultOf(id string) holdfast.Result {
	l.t.Helper()
	return l.result(func(r holdfast.Result) bool { return r.Task == id })
}

func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

const (
	soon = holdfast.Duration(1500 * time.Millisecond)
	late = holdfast.Duration(time.Hour)
)
