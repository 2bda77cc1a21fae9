package agent

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"holdfast"
	"holdfast/agent/wire"
	"holdfast/internal/host"
)

// identity is what an agent keeps of its enrolment, with its key, in
// identity.json (mode 0600).
type identity struct {
	Asset       string    `json:"asset"`
	Key         []byte    `json:"key"` // EC private key, DER
	Certificate []byte    `json:"certificate"`
	CA          []byte    `json:"ca"`
	TaskKey     []byte    `json:"task_key"`
	Renew       time.Time `json:"renew"`
}

// link is the agent's way to its server.
type link struct {
	o     Options
	path  string
	codec wire.Codec

	mu     sync.Mutex
	id     identity
	client *http.Client
	due    chan struct{} // the server says that the certificate ran out
}

// refusal is an answer of the server that trying again will not change.
type refusal struct {
	status int
	wire.Problem
}

func (r refusal) Unwrap() error { return r.Problem }

// connect reads the identity, or enrols for one, for as long as the server is
// away.
func connect(ctx context.Context, o Options, h wire.Host) (*link, error) {
	u, err := url.Parse(o.Server)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("the server reads https://address:port, not %q: %w", o.Server, holdfast.ErrInvalid)
	}
	o.Server = "https://" + u.Host
	l := &link{o: o, path: filepath.Join(o.Dir, "identity.json"), due: make(chan struct{}, 1)}
	b, err := os.ReadFile(l.path)
	if err == nil {
		err = json.Unmarshal(b, &l.id)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	if l.id.Asset == "" {
		if err := l.enrol(ctx, h); err != nil {
			return nil, err
		}
	}
	if l.client, err = l.newClient(); err != nil {
		return nil, err
	}
	return l, nil
}

// enrol asks for an identity. The key is on disk before the token is used up,
// so that the same key can ask again if the answer is lost.
func (l *link) enrol(ctx context.Context, h wire.Host) error {
	if l.o.Token == "" {
		return fmt.Errorf("this agent is not enrolled and has no token; make one on the server and run: holdfast-agent enrol --server %s --token TOKEN: %w", l.o.Server, holdfast.ErrForbidden)
	}
	tok, err := wire.ParseToken(l.o.Token)
	if err != nil {
		return err
	}
	if len(l.id.Key) == 0 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return fmt.Errorf("key: %w", err)
		}
		if l.id.Key, err = x509.MarshalECPrivateKey(key); err != nil {
			return fmt.Errorf("key: %w", err)
		}
		if err := l.save(l.id); err != nil {
			return err
		}
	}
	csr, err := l.request()
	if err != nil {
		return err
	}
	c := client(&tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: wire.ServerName, Time: l.o.Clock.Now,
		InsecureSkipVerify: true, //nolint:gosec // verified below against the pinned authority
		VerifyConnection:   func(s tls.ConnectionState) error { return pinned(s, tok.Fingerprint, l.o.Clock.Now()) },
	})
	defer c.CloseIdleConnections()
	var back backoff
	for {
		var out wire.Enrolled
		err := l.post(ctx, c, wire.PathEnrol, wire.Enrol{Secret: tok.Secret, CSR: csr, Host: h}, &out, wire.MaxSmall)
		if err == nil {
			if out.Asset == "" || wire.Fingerprint(out.CA) != tok.Fingerprint {
				return fmt.Errorf("the server's answer to the enrolment is not of the token's authority: %w", holdfast.ErrForbidden)
			}
			id := l.id
			id.Asset, id.Certificate, id.CA, id.TaskKey, id.Renew = out.Asset, out.Certificate, out.CA, out.TaskKey, out.Renew
			if err := l.save(id); err != nil {
				return err
			}
			l.id = id
			return nil
		}
		var no refusal
		if errors.As(err, &no) && no.status != http.StatusTooManyRequests || errors.Is(err, errPin) {
			return fmt.Errorf("enrolment at %s: %w", l.o.Server, errors.Join(err, holdfast.ErrForbidden))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		l.o.Log.Warn("enrolment: the server does not answer; trying again", "server", l.o.Server, "error", err)
		back.wait(ctx)
	}
}

var errPin = errors.New("the server's authority is not the one that the token names")

// pinned verifies the server's chain against the authority of the token.
func pinned(s tls.ConnectionState, fingerprint string, now time.Time) error {
	for _, c := range s.PeerCertificates {
		if wire.Fingerprint(c.Raw) != fingerprint {
			continue
		}
		roots := x509.NewCertPool()
		roots.AddCert(c)
		if _, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, DNSName: wire.ServerName}); err != nil {
			return fmt.Errorf("%w: %w", errPin, err)
		}
		return nil
	}
	return errPin
}

func (l *link) save(id identity) error {
	b, err := json.Marshal(id)
	if err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	return host.WriteAtomic(l.path, b, 0o600)
}

func (l *link) request() ([]byte, error) {
	key, err := x509.ParseECPrivateKey(l.id.Key)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
}

func client(c *tls.Config) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: c, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second,
			IdleConnTimeout: 90 * time.Second, MaxResponseHeaderBytes: 16 << 10,
			HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// newClient makes the client for the certificate that the link has now.
func (l *link) newClient() (*http.Client, error) {
	key, err := x509.ParseECPrivateKey(l.id.Key)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	ca, err := x509.ParseCertificate(l.id.CA)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	return client(&tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: wire.ServerName, RootCAs: roots, Time: l.o.Clock.Now,
		Certificates: []tls.Certificate{{Certificate: [][]byte{l.id.Certificate}, PrivateKey: key}},
	}), nil
}

// send posts a message and reads the answer.
func (l *link) send(ctx context.Context, path string, in, out any, limit int) error {
	l.mu.Lock()
	c := l.client
	l.mu.Unlock()
	err := l.post(ctx, c, path, in, out, limit)
	var no refusal
	if errors.As(err, &no) && no.Code == wire.CodeExpired {
		select {
		case l.due <- struct{}{}:
		default:
		}
	}
	return err
}

func (l *link) post(ctx context.Context, c *http.Client, path string, in, out any, limit int) error {
	body, err := l.codec.Encode(in, limit)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.o.Server+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set(wire.HeaderVersion, strconv.Itoa(wire.Version))
	req.Header.Set("Content-Encoding", "zstd")
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer func() {
		_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
		_ = resp.Body.Close()
	}()
	if resp.StatusCode == http.StatusOK {
		return wire.Decode(resp.Body, out, wire.MaxTasks)
	}
	var p wire.Problem
	if err := wire.Decode(resp.Body, &p, wire.MaxSmall); err != nil {
		p.Message = "the server answered " + resp.Status
	}
	if resp.StatusCode == http.StatusServiceUnavailable && p.Code == wire.CodeFull {
		return fmt.Errorf("%s: %w", p.Message, holdfast.ErrFull)
	}
	if resp.StatusCode >= 500 {
		return p
	}
	return refusal{resp.StatusCode, p}
}

// renewLoop asks for the next certificate when it is time, or when the server
// says that this one has run out.
func (l *link) renewLoop(ctx context.Context) error {
	var b backoff
	for ctx.Err() == nil {
		l.mu.Lock()
		wait := l.id.Renew.Sub(l.o.Clock.Now())
		l.mu.Unlock()
		if wait > 0 {
			// With every heartbeat: a clock may be set, and timers stand
			// still while a machine sleeps.
			t := time.NewTimer(min(wait, l.o.BeatEvery))
			select {
			case <-ctx.Done():
				t.Stop()
				return nil
			case <-t.C:
				continue
			case <-l.due:
				t.Stop()
			}
		}
		if err := l.renew(ctx); err != nil {
			if ctx.Err() == nil {
				l.o.Log.Warn("renewing the certificate", "error", err)
			}
			b.wait(ctx)
			continue
		}
		b.reset()
	}
	return nil
}

func (l *link) renew(ctx context.Context) error {
	csr, err := l.request()
	if err != nil {
		return err
	}
	var out wire.Renewed
	if err := l.send(ctx, wire.PathRenew, wire.Renew{CSR: csr}, &out, wire.MaxSmall); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !bytes.Equal(out.CA, l.id.CA) {
		return fmt.Errorf("the renewed certificate is of another authority: %w", holdfast.ErrForbidden)
	}
	id := l.id
	id.Certificate, id.Renew = out.Certificate, out.Renew
	if err := l.save(id); err != nil {
		return err
	}
	old, was := l.client, l.id
	l.id = id
	c, err := l.newClient()
	if err != nil {
		l.id = was
		return err
	}
	l.client = c
	old.CloseIdleConnections()
	return nil
}
