package syslog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"holdfast"
	"holdfast/ingest/frame"
)

// waitingUDP bounds the datagrams that wait for the disk; what comes beyond is
// dropped, counted and noted.
const waitingUDP = 8192

func (l *listener) serveUDP(ctx context.Context) error {
	var lc net.ListenConfig
	conn, err := lc.ListenPacket(ctx, "udp", l.cfg.Where)
	if err != nil {
		return err
	}
	if c, ok := conn.(*net.UDPConn); ok {
		_ = c.SetReadBuffer(8 << 20) // the system may grant less
	}
	l.listening("udp", conn.LocalAddr())
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()

	waiting := make(chan holdfast.Record, waitingUDP)
	var dropped atomic.Uint64
	var sender sync.WaitGroup
	sender.Go(func() { l.sendUDP(ctx, waiting, &dropped) })
	defer sender.Wait()
	defer close(waiting)
	buf := make([]byte, 64<<10)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		raw := bytes.TrimRight(buf[:n], "\r\n\x00")
		if len(raw) == 0 {
			continue
		}
		select {
		case waiting <- l.record(l.source("udp", from), bytes.Clone(raw), false):
		default:
			dropped.Add(1)
		}
	}
}

// sendUDP hands on what waits, all at once. What is not taken is lost, as UDP
// is; ingest counts it as rejected.
func (l *listener) sendUDP(ctx context.Context, waiting <-chan holdfast.Record, dropped *atomic.Uint64) {
	name := "syslog:udp:" + l.cfg.Where
	var lost uint64
	audits := map[string]*together{}
	for first := range waiting {
		batch := append(make([]holdfast.Record, 0, 64), first)
	more:
		for len(batch) < maxPut {
			select {
			case r, ok := <-waiting:
				if !ok {
					break more
				}
				batch = append(batch, r)
			default:
				break more
			}
		}
		batch = l.audit(audits, batch)
		// What was received before the end is still handed on.
		put, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		err := l.env.Sink.Put(put, batch)
		cancel()
		switch n := dropped.Load(); {
		case err != nil:
			l.note(name, "datagrams are lost: "+err.Error())
		case n > lost:
			lost = n
			l.note(name, fmt.Sprintf("%d datagrams were lost: they came faster than the disk takes them; let the sender use TCP", n))
		default:
			l.note(name, "")
		}
	}
}

// audit puts the audit records of each sender together.
func (l *listener) audit(by map[string]*together, batch []holdfast.Record) []holdfast.Record {
	out := batch[:0:0]
	for i := range batch {
		r := &batch[i]
		t := by[r.Source]
		if t == nil && frame.IsAudit(r.Raw) && len(by) < maxAudits {
			t = &together{l: l}
			by[r.Source] = t
		}
		if t == nil {
			out = append(out, *r)
			continue
		}
		out = t.add(out, *r)
	}
	return out
}
