package port

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast"
	"holdfast/agent/wire"
	"holdfast/internal/clock"
)

// ledger is a Backend that keeps what reaches it.
type ledger struct {
	mu      sync.Mutex
	revoked map[string]bool // by serial
	assets  []string        // of what arrived, by certificate
	records []holdfast.Record
	facts   []holdfast.Facts
	results []holdfast.Result
}

func (l *ledger) saw(asset string, keep func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.assets = append(l.assets, asset)
	keep()
}

func (l *ledger) Enrol(context.Context, string, wire.Host) (string, error) {
	return "", holdfast.ErrForbidden
}

func (l *ledger) Allowed(_ context.Context, asset, serial string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.revoked[serial] || asset != "ast-a" && asset != "ast-b" {
		return holdfast.ErrForbidden
	}
	return nil
}

func (l *ledger) Events(_ context.Context, asset, _ string, rs []holdfast.Record) (wire.Accepted, error) {
	l.saw(asset, func() { l.records = append(l.records, rs...) })
	return wire.Accepted{Stored: len(rs)}, nil
}

func (l *ledger) Facts(_ context.Context, asset string, f holdfast.Facts) error {
	l.saw(asset, func() { l.facts = append(l.facts, f) })
	return nil
}

func (l *ledger) Heartbeat(_ context.Context, asset string, _ wire.Heartbeat) error {
	l.saw(asset, func() {})
	return nil
}

func (l *ledger) Tasks(ctx context.Context, _ string) ([]holdfast.Task, error) {
	<-ctx.Done()
	return nil, nil
}

func (l *ledger) Result(_ context.Context, asset string, r holdfast.Result) error {
	l.saw(asset, func() { l.results = append(l.results, r) })
	return nil
}

// said is a log that can be read while it is written.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// take returns what was logged since it was called last.
func (s *said) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.b.Reset()
	return s.b.String()
}

type rig struct {
	t      *testing.T
	ca     *CA
	clock  *clock.Fixed
	ledger *ledger
	log    *said
	url    string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, clock: clock.NewFixed(time.Now()), ledger: &ledger{revoked: map[string]bool{}}, log: &said{}}
	var err error
	if r.ca, err = NewCA(r.clock.Now()); err != nil {
		t.Fatal(err)
	}
	pub, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(Options{CA: r.ca, Backend: r.ledger, TaskKey: pub, Clock: r.clock, Log: slog.New(slog.NewTextHandler(r.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(p.Handler())
	s.TLS = p.TLS()
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	r.url = s.URL
	return r
}

// agent is a client with a certificate.
type agent struct {
	r    *rig
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	c    *http.Client
}

// agent makes one whose certificate the authority signs with its own hand.
func (r *rig) agent(ca *CA, asset string) *agent {
	r.t.Helper()
	a := &agent{r: r}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		r.t.Fatal(err)
	}
	csr, _, err := parseCSR(a.request())
	if err != nil {
		r.t.Fatal(err)
	}
	der, err := ca.client(csr, asset, r.clock.Now(), time.Hour)
	if err != nil {
		r.t.Fatal(err)
	}
	a.use(der)
	return a
}

func (a *agent) request() []byte {
	a.r.t.Helper()
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, a.key)
	if err != nil {
		a.r.t.Fatal(err)
	}
	return csr
}

func (a *agent) use(der []byte) {
	a.r.t.Helper()
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		a.r.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.r.ca.cert)
	tr := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: roots, ServerName: wire.ServerName, Time: a.r.clock.Now,
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: a.key}},
	}}
	a.r.t.Cleanup(tr.CloseIdleConnections)
	a.c = &http.Client{Transport: tr}
}

// send posts a message and returns the status and the problem, if any.
func (a *agent) send(path string, in, out any) (int, wire.Problem) {
	a.r.t.Helper()
	var codec wire.Codec
	b, err := codec.Encode(in, wire.MaxEvents)
	if err != nil {
		a.r.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(a.r.t.Context(), http.MethodPost, a.r.url+path, bytes.NewReader(b))
	if err != nil {
		a.r.t.Fatal(err)
	}
	req.Header.Set(wire.HeaderVersion, strconv.Itoa(wire.Version))
	resp, err := a.c.Do(req)
	if err != nil {
		a.r.t.Fatal(err)
	}
	defer resp.Body.Close()
	var p wire.Problem
	if resp.StatusCode != http.StatusOK {
		out = &p
	}
	if err := wire.Decode(resp.Body, out, wire.MaxTasks); err != nil {
		a.r.t.Fatal(err)
	}
	return resp.StatusCode, p
}

func (a *agent) beat() (int, wire.Problem) {
	a.r.t.Helper()
	return a.send(wire.PathHeartbeat, wire.Heartbeat{}, &wire.Done{})
}

// refused fails unless the answer is a refusal that the log tells of.
func (r *rig) refused(what string, status int, p wire.Problem, code string, words ...string) {
	r.t.Helper()
	log := r.log.take()
	if status != http.StatusForbidden || p.Code != code || p.Message == "" {
		r.t.Errorf("%s: answered %d, %+v", what, status, p)
	}
	for _, w := range append(words, "level=WARN", "status=403") {
		if !strings.Contains(log, w) {
			r.t.Errorf("%s: the log does not tell %q: %s", what, w, log)
		}
	}
}

func (r *rig) nothingArrived() {
	r.t.Helper()
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	if len(r.ledger.assets) > 0 {
		r.t.Errorf("something arrived, of %v", r.ledger.assets)
	}
}

func TestCertificateRunsOutAndIsRenewed(t *testing.T) {
	r := newRig(t)
	a := r.agent(r.ca, "ast-a")
	if status, p := a.beat(); status != http.StatusOK {
		t.Fatalf("a good certificate: %d, %+v", status, p)
	}
	r.clock.Advance(time.Hour + time.Second)
	status, p := a.beat()
	r.refused("an expired certificate", status, p, wire.CodeExpired, wire.PathHeartbeat)
	before := a.cert.SerialNumber
	var out wire.Renewed
	if status, p := a.send(wire.PathRenew, wire.Renew{CSR: a.request()}, &out); status != http.StatusOK {
		t.Fatalf("renewal within the grace: %d, %+v", status, p)
	}
	a.use(out.Certificate)
	if a.cert.SerialNumber.Cmp(before) == 0 || len(a.cert.URIs) != 1 || a.cert.URIs[0].Path != "/ast-a" || !a.cert.NotAfter.After(r.clock.Now()) {
		t.Errorf("renewed: serial %x, %v, until %s", a.cert.SerialNumber, a.cert.URIs, a.cert.NotAfter)
	}
	if status, p := a.beat(); status != http.StatusOK {
		t.Errorf("the renewed certificate: %d, %+v", status, p)
	}
	r.clock.Advance(Life + Grace)
	status, p = a.send(wire.PathRenew, wire.Renew{CSR: a.request()}, &out)
	r.refused("a renewal after the grace", status, p, wire.CodeExpired, wire.PathRenew)
}

// TestClockSetBack has the server's clock be ahead when an agent enrols, and be put
// right then.
func TestClockSetBack(t *testing.T) {
	r := newRig(t)
	a := r.agent(r.ca, "ast-a")
	r.clock.Advance(-300 * 24 * time.Hour)
	if status, p := a.beat(); status != http.StatusOK {
		t.Errorf("after the clock was put right: %d, %+v", status, p)
	}
	r.clock.Advance(-100 * 24 * time.Hour)
	if status, p := a.beat(); status != http.StatusForbidden || !strings.Contains(p.Message, "is the server's clock right?") {
		t.Errorf("long before the certificate begins: %d, %+v", status, p)
	}
}

func TestStrangersAreRefused(t *testing.T) {
	r := newRig(t)
	other, err := NewCA(r.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	a := r.agent(r.ca, "ast-a")
	r.ledger.mu.Lock()
	r.ledger.revoked[a.cert.SerialNumber.Text(16)] = true
	r.ledger.mu.Unlock()
	status, p := a.beat()
	r.refused("a revoked certificate", status, p, wire.CodeUnknown, "asset=ast-a")
	status, p = a.send(wire.PathRenew, wire.Renew{CSR: a.request()}, &wire.Renewed{})
	r.refused("the renewal of a revoked certificate", status, p, wire.CodeUnknown, "asset=ast-a")
	status, p = r.agent(other, "ast-a").beat()
	r.refused("another authority's certificate", status, p, wire.CodeUnknown)
	status, p = r.agent(r.ca, "ast-gone").beat()
	r.refused("an unknown asset", status, p, wire.CodeUnknown, "asset=ast-gone")

	server, err := r.ca.server(nil, r.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	b := &agent{r: r, key: server.PrivateKey.(*ecdsa.PrivateKey)}
	b.use(server.Certificate[0])
	status, p = b.beat()
	r.refused("a server's certificate", status, p, wire.CodeUnknown)

	b = r.agent(r.ca, "ast-b")
	b.c.Transport.(*http.Transport).TLSClientConfig.Certificates = nil
	status, p = b.beat()
	r.refused("no certificate", status, p, wire.CodeUnknown)
	r.nothingArrived()
}

// TestNobodySpeaksForAnother has one agent claim to be another in everything
// that it may send.
func TestNobodySpeaksForAnother(t *testing.T) {
	r := newRig(t)
	a := r.agent(r.ca, "ast-a")
	record := func(asset string) []holdfast.Record {
		return []holdfast.Record{{Asset: asset, Source: "file", Position: "1", Raw: []byte("x")}}
	}
	for name, m := range map[string]struct {
		path string
		body any
	}{
		"a batch":              {wire.PathEvents, wire.Events{ID: "agent-ast-b-s-1-1", Records: record("")}},
		"a record":             {wire.PathEvents, wire.Events{ID: "agent-ast-a-s-1-1", Records: record("ast-b")}},
		"facts":                {wire.PathFacts, holdfast.Facts{Asset: "ast-b"}},
		"a result":             {wire.PathResult, holdfast.Result{Task: "tsk-1", Asset: "ast-b"}},
		"a result's plan":      {wire.PathResult, holdfast.Result{Task: "tsk-1", Plan: &holdfast.Plan{Asset: "ast-b"}}},
		"a result's new facts": {wire.PathResult, holdfast.Result{Task: "tsk-1", Facts: &holdfast.Facts{Asset: "ast-b"}}},
	} {
		status, p := a.send(m.path, m.body, &wire.Accepted{})
		r.refused(name, status, p, "", "asset=ast-a", "ast-b")
	}
	r.nothingArrived()
	// Who says nothing is who the certificate says, and its sources are its own.
	for path, m := range map[string]any{
		wire.PathEvents: wire.Events{ID: "agent-ast-a-s-1-1", Records: record("")},
		wire.PathFacts:  holdfast.Facts{},
		wire.PathResult: holdfast.Result{Task: "tsk-1", Facts: &holdfast.Facts{}},
	} {
		if status, p := a.send(path, m, &wire.Accepted{}); status != http.StatusOK {
			t.Fatalf("%s: %d, %+v", path, status, p)
		}
	}
	l := r.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.records[0].Asset != "ast-a" || l.records[0].Source != "ast-a/file" || l.facts[0].Asset != "ast-a" || l.results[0].Asset != "ast-a" || l.results[0].Facts.Asset != "ast-a" {
		t.Errorf("%+v, %+v, %+v", l.records, l.facts, l.results)
	}
}
