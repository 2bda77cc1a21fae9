package port

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast"
	"holdfast/agent/wire"
)

// retryAfter is what a server without room tells an agent.
const retryAfter = 2 * time.Second

// Handler serves the paths of the protocol. It needs to be served with TLS.
func (p *Port) Handler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("POST "+wire.PathEnrol, p.enrol)
	m.HandleFunc("POST "+wire.PathRenew, p.renew)
	serve(m, p, wire.PathEvents, wire.MaxEvents, p.events)
	serve(m, p, wire.PathFacts, wire.MaxFacts, func(ctx context.Context, asset string, f holdfast.Facts) (wire.Done, error) {
		if err := own(asset, f.Asset); err != nil {
			return wire.Done{}, err
		}
		f.Asset = asset
		return wire.Done{}, p.o.Backend.Facts(ctx, asset, f)
	})
	serve(m, p, wire.PathHeartbeat, wire.MaxSmall, func(ctx context.Context, asset string, h wire.Heartbeat) (wire.Done, error) {
		return wire.Done{}, p.o.Backend.Heartbeat(ctx, asset, h)
	})
	serve(m, p, wire.PathTasks, wire.MaxSmall, p.tasks)
	serve(m, p, wire.PathResult, wire.MaxFacts, func(ctx context.Context, asset string, r holdfast.Result) (wire.Done, error) {
		said := []string{r.Asset}
		if r.Plan != nil {
			said = append(said, r.Plan.Asset)
		}
		if r.Facts != nil {
			said = append(said, r.Facts.Asset)
		}
		if err := own(asset, said...); err != nil {
			return wire.Done{}, err
		}
		r.Asset = asset
		if r.Facts != nil {
			r.Facts.Asset = asset
		}
		return wire.Done{}, p.o.Backend.Result(ctx, asset, r)
	})
	return m
}

// serve registers a message that needs an identity.
func serve[Q, A any](m *http.ServeMux, p *Port, path string, limit int, do func(ctx context.Context, asset string, q Q) (A, error)) {
	m.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		asset, err := p.identify(r, 0)
		if err != nil {
			p.fail(w, r, asset, err)
			return
		}
		var q Q
		if err := read(r, &q, limit); err != nil {
			p.fail(w, r, asset, err)
			return
		}
		a, err := do(r.Context(), asset, q)
		if err != nil {
			p.fail(w, r, asset, err)
			return
		}
		p.answer(w, a)
	})
}

func read(r *http.Request, v any, limit int) error {
	if got := r.Header.Get(wire.HeaderVersion); got != strconv.Itoa(wire.Version) {
		return fmt.Errorf("protocol version %q is not spoken here, this server speaks %d: %w", got, wire.Version, holdfast.ErrInvalid)
	}
	return wire.Decode(r.Body, v, limit)
}

// identify returns the asset that the client's certificate names, if our
// authority signed it, it has not run out for longer than grace, and the
// backend allows it.
func (p *Port) identify(r *http.Request, grace time.Duration) (string, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return "", wire.Problem{Code: wire.CodeUnknown, Message: "a client certificate is needed; enrol first"}
	}
	cert := r.TLS.PeerCertificates[0]
	roots := x509.NewCertPool()
	roots.AddCert(p.o.CA.cert)
	now := p.o.Clock.Now()
	at := now
	if now.After(cert.NotAfter) && now.Before(cert.NotAfter.Add(grace)) {
		at = cert.NotAfter
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		var bad x509.CertificateInvalidError
		if errors.As(err, &bad) && bad.Reason == x509.Expired {
			if now.Before(cert.NotBefore) {
				return "", wire.Problem{Code: wire.CodeExpired, Message: "the certificate begins at " + cert.NotBefore.UTC().Format(time.RFC3339) + ", and it is " + now.UTC().Format(time.RFC3339) + " here; is the server's clock right?"}
			}
			return "", wire.Problem{Code: wire.CodeExpired, Message: "the certificate has run out"}
		}
		return "", wire.Problem{Code: wire.CodeUnknown, Message: "the certificate is not from this server's authority"}
	}
	if len(cert.URIs) != 1 || cert.URIs[0].Scheme != "holdfast" || cert.URIs[0].Host != "asset" {
		return "", wire.Problem{Code: wire.CodeUnknown, Message: "the certificate names no asset"}
	}
	asset := strings.TrimPrefix(cert.URIs[0].Path, "/")
	if err := p.o.Backend.Allowed(r.Context(), asset, cert.SerialNumber.Text(16)); err != nil {
		if errors.Is(err, holdfast.ErrForbidden) || errors.Is(err, holdfast.ErrNotFound) {
			err = wire.Problem{Code: wire.CodeUnknown, Message: "this agent is unknown or revoked"}
		}
		return asset, err
	}
	return asset, nil
}

// own returns ErrForbidden if a message says that it is another asset's. It may
// say nothing: the certificate decides.
func own(asset string, said ...string) error {
	for _, s := range said {
		if s != "" && s != asset {
			return fmt.Errorf("the message is said to be of %q, the certificate is %s's: %w", s, asset, holdfast.ErrForbidden)
		}
	}
	return nil
}

func (p *Port) enrol(w http.ResponseWriter, r *http.Request) {
	from, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		from = r.RemoteAddr
	}
	if !p.limit.allow(from, p.o.Clock.Now()) {
		w.Header().Set("Retry-After", "10")
		p.problem(w, http.StatusTooManyRequests, wire.Problem{Message: "too many enrolments from this address; wait a little"})
		return
	}
	var q wire.Enrol
	if err := read(r, &q, wire.MaxSmall); err != nil {
		p.fail(w, r, "", err)
		return
	}
	csr, key, err := parseCSR(q.CSR)
	if err != nil {
		p.fail(w, r, "", err)
		return
	}
	q.Host.Key = key
	asset, err := p.o.Backend.Enrol(r.Context(), q.Secret, q.Host)
	if errors.Is(err, holdfast.ErrForbidden) || errors.Is(err, holdfast.ErrNotFound) {
		err = wire.Problem{Code: wire.CodeToken, Message: "the enrolment token is unknown, used or expired; make a new one on the server"}
	}
	if err != nil {
		p.fail(w, r, "", err)
		return
	}
	now := p.o.Clock.Now()
	cert, err := p.o.CA.client(csr, asset, now, p.o.Life)
	if err != nil {
		p.fail(w, r, asset, err)
		return
	}
	p.o.Log.Info("agent enrolled", "asset", asset, "name", q.Host.Name, "from", from)
	p.answer(w, wire.Enrolled{Asset: asset, Certificate: cert, CA: p.o.CA.cert.Raw, TaskKey: p.o.TaskKey, Renew: now.Add(p.o.Life / 2)})
}

func (p *Port) renew(w http.ResponseWriter, r *http.Request) {
	asset, err := p.identify(r, Grace)
	if err != nil {
		p.fail(w, r, asset, err)
		return
	}
	var q wire.Renew
	if err := read(r, &q, wire.MaxSmall); err != nil {
		p.fail(w, r, asset, err)
		return
	}
	csr, _, err := parseCSR(q.CSR)
	if err != nil {
		p.fail(w, r, asset, err)
		return
	}
	now := p.o.Clock.Now()
	cert, err := p.o.CA.client(csr, asset, now, p.o.Life)
	if err != nil {
		p.fail(w, r, asset, err)
		return
	}
	p.answer(w, wire.Renewed{Certificate: cert, CA: p.o.CA.cert.Raw, Renew: now.Add(p.o.Life / 2)})
}

func (p *Port) events(ctx context.Context, asset string, e wire.Events) (wire.Accepted, error) {
	if err := e.Check(); err != nil {
		return wire.Accepted{}, err
	}
	if !strings.HasPrefix(e.ID, "agent-"+asset+"-") {
		return wire.Accepted{}, fmt.Errorf("batch %q is not one of %s: %w", e.ID, asset, holdfast.ErrForbidden)
	}
	for i := range e.Records {
		if err := own(asset, e.Records[i].Asset); err != nil {
			return wire.Accepted{}, fmt.Errorf("record %d: %w", i, err)
		}
		// What an agent says of another host's sources must not pass for that
		// host's: event ids come from the source.
		e.Records[i].Asset = asset
		e.Records[i].Source = asset + "/" + e.Records[i].Source
	}
	return p.o.Backend.Events(ctx, asset, e.ID, e.Records)
}

func (p *Port) tasks(ctx context.Context, asset string, q wire.Ask) (wire.Tasks, error) {
	wait, cancel := context.WithTimeout(ctx, wire.PollFor)
	defer cancel()
	for {
		all, err := p.o.Backend.Tasks(wait, asset)
		if err != nil && wait.Err() == nil {
			return wire.Tasks{}, err
		}
		var news []holdfast.Task
		for _, t := range all {
			if !slices.Contains(q.Have, t.ID) {
				news = append(news, t)
			}
		}
		if len(news) > 0 || wait.Err() != nil {
			return wire.Tasks{Tasks: news}, nil
		}
		// Only what the agent is at work on, or nothing: look again soon.
		t := time.NewTimer(100 * time.Millisecond)
		select {
		case <-t.C:
		case <-wait.Done():
			t.Stop()
		}
	}
}

func (p *Port) answer(w http.ResponseWriter, v any) {
	b, err := p.codec.Encode(v, wire.MaxTasks)
	if err != nil {
		p.o.Log.Error("agent port: answer", "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(b)
}

// fail tells the agent what it may know, and the log the rest.
func (p *Port) fail(w http.ResponseWriter, r *http.Request, asset string, err error) {
	var known wire.Problem
	status, pr := http.StatusInternalServerError, wire.Problem{Message: "the server failed; its log says why"}
	switch {
	case errors.As(err, &known):
		status, pr = http.StatusForbidden, known
	case errors.Is(err, holdfast.ErrFull):
		w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter/time.Second)))
		status, pr = http.StatusServiceUnavailable, wire.Problem{Code: wire.CodeFull, Message: err.Error()}
	case errors.Is(err, holdfast.ErrTooLarge):
		status, pr.Message = http.StatusRequestEntityTooLarge, err.Error()
	case errors.Is(err, holdfast.ErrInvalid):
		status, pr.Message = http.StatusBadRequest, err.Error()
	case errors.Is(err, holdfast.ErrForbidden):
		status, pr.Message = http.StatusForbidden, err.Error()
	}
	if r.Context().Err() == nil {
		p.o.Log.Warn("agent port: request failed", "path", r.URL.Path, "asset", asset, "from", r.RemoteAddr, "status", status, "error", err)
	}
	p.problem(w, status, pr)
}

func (p *Port) problem(w http.ResponseWriter, status int, pr wire.Problem) {
	b, err := p.codec.Encode(pr, wire.MaxSmall)
	if err != nil {
		b = nil
	}
	w.WriteHeader(status)
	_, _ = w.Write(b)
}
