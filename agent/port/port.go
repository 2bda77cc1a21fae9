// Package port is the server's end of the agent protocol: it gives agents their
// certificates, knows them by those certificates alone, bounds and decodes what
// they send and hands it to a Backend. Storing, deciding and signing tasks are
// left to the Backend.
package port

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"holdfast"
	"holdfast/agent/wire"
	"holdfast/internal/clock"
)

// Life is how long an agent's certificate lives unless Options say otherwise.
// Agents renew at half of it.
const Life = 24 * time.Hour

// Grace is how long after its end a certificate still renews itself, and does
// nothing else.
const Grace = 30 * 24 * time.Hour

const serverLife = 90 * 24 * time.Hour

// Backend does what agents ask for. Asset is always from the certificate. An
// error that wraps holdfast.ErrFull makes the agent come again later with the
// same; ErrForbidden and ErrInvalid are told to the agent, others only logged.
// Methods may be called from many goroutines.
type Backend interface {
	// Enrol uses up the token with this secret (wire.HashSecret) and returns the
	// asset's id, in one transaction; ErrForbidden if there is no such token. The
	// same token with the same host.Key again gives the same id again, so that a
	// lost answer strands nobody.
	Enrol(ctx context.Context, secret string, host wire.Host) (asset string, err error)
	// Allowed returns ErrForbidden for an unknown or revoked asset or serial
	// (hex). It is asked before every request.
	Allowed(ctx context.Context, asset, serial string) error
	// Events returns once the batch is on disk. The same id again is harmless
	// and answered with Doubled. Every record's Asset is the agent's, and its
	// Source starts with the asset and a slash.
	Events(ctx context.Context, asset, batch string, records []holdfast.Record) (wire.Accepted, error)
	Facts(ctx context.Context, asset string, f holdfast.Facts) error
	Heartbeat(ctx context.Context, asset string, h wire.Heartbeat) error
	// Tasks waits for open tasks of the asset, in the order of their counters,
	// and returns none once ctx is done. A task is open until its Result is there.
	Tasks(ctx context.Context, asset string) ([]holdfast.Task, error)
	// Result takes what came of a task. The same result may come again.
	Result(ctx context.Context, asset string, r holdfast.Result) error
}

// Options are what New needs.
type Options struct {
	CA      *CA
	Backend Backend
	TaskKey ed25519.PublicKey // of the key that signs tasks
	Names   []string          // further DNS names and addresses for the server's certificate
	Life    time.Duration     // of agents' certificates; 0 for Life
	Clock   clock.Clock
	Log     *slog.Logger
}

// Port serves agents.
type Port struct {
	o     Options
	codec wire.Codec
	limit limiter

	mu   sync.Mutex
	cert *tls.Certificate
	made time.Time
}

// New checks the options and returns a port that listens to nothing yet.
func New(o Options) (*Port, error) {
	switch {
	case o.CA == nil || o.Backend == nil || o.Clock == nil || o.Log == nil:
		return nil, fmt.Errorf("agent port: authority, backend, clock and log are needed: %w", holdfast.ErrInvalid)
	case len(o.TaskKey) != ed25519.PublicKeySize:
		return nil, fmt.Errorf("agent port: the task key is no Ed25519 public key: %w", holdfast.ErrInvalid)
	}
	if o.Life <= 0 {
		o.Life = Life
	}
	p := &Port{o: o}
	if _, err := p.certificate(nil); err != nil {
		return nil, err
	}
	return p, nil
}

// certificate returns the port's certificate, and makes the next one at half
// of its life.
func (p *Port) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.o.Clock.Now()
	if p.cert == nil || now.After(p.made.Add(serverLife/2)) {
		c, err := p.o.CA.server(p.o.Names, now)
		if err != nil {
			return nil, err
		}
		p.cert, p.made = c, now
	}
	return p.cert, nil
}

// TLS is the configuration to serve Handler with. It asks for a client
// certificate; the handler judges it, because one that ran out may still renew.
func (p *Port) TLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, GetCertificate: p.certificate, ClientAuth: tls.RequestClientCert,
		NextProtos: []string{"h2"}, SessionTicketsDisabled: true, Time: p.o.Clock.Now,
	}
}

// Serve serves agents on ln until ctx is done, and then lets requests that are
// under way end, for 5 s at most. It owns ln.
func (p *Port) Serve(ctx context.Context, ln net.Listener) error {
	base, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	s := &http.Server{
		Handler: p.Handler(), TLSConfig: p.TLS(),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10, BaseContext: func(net.Listener) context.Context { return base },
		ErrorLog: slog.NewLogLogger(p.o.Log.Handler(), slog.LevelDebug),
	}
	done := make(chan error, 1)
	go func() { done <- s.ServeTLS(ln, "", "") }()
	select {
	case err := <-done:
		return fmt.Errorf("agent port: %w", err)
	case <-ctx.Done():
	}
	stop() // ends what waits for tasks
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := s.Shutdown(bye); err != nil {
		_ = s.Close()
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("agent port: %w", err)
	}
	return nil
}
