// Package syslog listens for syslog over UDP, TCP and TLS on one address. It takes
// the frames apart and hands on what stands in them, audit records of one event
// also together; reading the lines is left to the parsers.
package syslog

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"holdfast"
	"holdfast/ingest/input"
)

const (
	defaultConnections = 256
	// maxPeers bounds the addresses that are told apart: those of UDP can be
	// forged. Beyond it the source is "syslog:udp:other".
	maxPeers = 4096
	maxPut   = 1000
)

// Input describes the input.
func Input() input.Input {
	return input.Input{
		Name:        "syslog",
		Title:       "Syslog listener",
		Description: "Takes syslog over UDP and TCP, or over TLS, on one address, framed by newlines or by counted octets.",
		References:  []string{"RFC 5425", "RFC 5426", "RFC 6587, sections 3.4.1 and 3.4.2", "RFC 3164, section 4"},
		Options: map[string]string{
			"proto":       "both (the default), udp, tcp or tls",
			"connections": "how many TCP connections at once, 256 unless told otherwise; one address gets a quarter",
			"zone":        "the time zone of clocks that have none: Europe/Berlin or +02:00, or with the senders before it and commas between: 192.0.2.0/24=Europe/Berlin,+02:00",
			"cert":        "for tls: certificate file (PEM)",
			"key":         "for tls: key file (PEM), if it is not in the same file",
			"ca":          "for tls: certificates (PEM) that a sender's must be signed by; without it, a sender needs none",
		},
		Lossy:   "UDP has no acknowledgement, and syslog over TCP none that reaches the sending program",
		Example: input.Config{Kind: "syslog", Where: "127.0.0.1:5514"},
		Check:   func(cfg input.Config) error { _, err := read(cfg); return err },
		Run:     run,
	}
}

type options struct {
	udp, tcp    bool
	connections int
	tls         *tlsFiles
	zones       zones
}

func read(cfg input.Config) (options, error) {
	o := options{udp: true, tcp: true, connections: defaultConnections}
	_, port, err := net.SplitHostPort(cfg.Where)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return o, fmt.Errorf("syslog: %q is no address to listen on; write it as 127.0.0.1:5514: %w: %w", cfg.Where, err, holdfast.ErrInvalid)
	}
	for name, value := range cfg.Options {
		switch name {
		case "proto":
			if value != "both" && value != "udp" && value != "tcp" && value != "tls" {
				return o, fmt.Errorf("syslog: option proto is both, udp, tcp or tls, not %q: %w", value, holdfast.ErrInvalid)
			}
			o.udp, o.tcp = value == "udp" || value == "both", value != "udp"
		case "zone":
			if o.zones, err = readZones(value); err != nil {
				return o, err
			}
		case "cert", "key", "ca":
		case "connections":
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 || n > 10_000 {
				return o, fmt.Errorf("syslog: option connections is 1 to 10000, not %q: %w", value, holdfast.ErrInvalid)
			}
			o.connections = n
		default:
			return o, fmt.Errorf("syslog: there is no option %q, only proto, connections, zone, cert, key and ca: %w", name, holdfast.ErrInvalid)
		}
	}
	o.tls, err = readTLS(cfg.Options)
	return o, err
}

// listener is one running input.
type listener struct {
	cfg  input.Config
	opt  options
	env  input.Env
	run  string // tells the positions of this run from those of others
	next atomic.Uint64

	audits atomic.Int32 // connections whose audit records are put together

	mu    sync.Mutex
	peers map[string]bool
	notes map[string]string
}

func run(ctx context.Context, cfg input.Config, env input.Env) error {
	opt, err := read(cfg)
	if err != nil {
		return err
	}
	l := &listener{cfg: cfg, opt: opt, env: env, run: holdfast.NewID("run"), peers: map[string]bool{}, notes: map[string]string{}}
	var all sync.WaitGroup
	if opt.udp {
		all.Go(func() { l.keep(ctx, "udp", l.serveUDP) })
	}
	if opt.tcp {
		all.Go(func() { l.keep(ctx, l.stream(), l.serveTCP) })
	}
	all.Wait()
	return nil
}

// stream names the protocol of connections.
func (l *listener) stream() string {
	if l.opt.tls != nil {
		return "tls"
	}
	return "tcp"
}

// keep serves again what failed: an address that is taken may become free.
func (l *listener) keep(ctx context.Context, proto string, serve func(context.Context) error) {
	for ctx.Err() == nil {
		err := serve(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		l.note("syslog:"+proto+":"+l.cfg.Where, "cannot listen: "+err.Error())
		t := time.NewTimer(2 * time.Second)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
}

// listening says that all is well, and where: the port may have been chosen by
// the system.
func (l *listener) listening(proto string, at net.Addr) {
	l.note("syslog:"+proto+":"+l.cfg.Where, "")
	l.env.Log.Info("listening for syslog", "proto", proto, "address", at.String())
}

func (l *listener) note(source, trouble string) {
	l.mu.Lock()
	same := l.notes[source] == trouble
	l.notes[source] = trouble
	l.mu.Unlock()
	if !same && l.env.Note != nil {
		l.env.Note(source, trouble)
	}
}

// source names a peer.
func (l *listener) source(proto string, at net.Addr) string {
	host, _, err := net.SplitHostPort(at.String())
	if err != nil {
		host = at.String()
	}
	host, _, _ = strings.Cut(strings.TrimPrefix(host, "::ffff:"), "%")
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.peers[host] {
		if len(l.peers) >= maxPeers {
			host = "other"
		}
		l.peers[host] = true
	}
	return "syslog:" + proto + ":" + host
}

func (l *listener) record(source string, raw []byte, cut bool) holdfast.Record {
	return holdfast.Record{
		Source: source, Position: l.run + ":" + strconv.FormatUint(l.next.Add(1), 10),
		Dataset: l.cfg.Dataset, Received: l.opt.zones.in(l.env.Clock.Now(), source), Raw: raw, Truncated: cut,
	}
}
