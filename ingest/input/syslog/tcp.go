package syslog

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"holdfast"
)

func (l *listener) serveTCP(ctx context.Context) error {
	lc := net.ListenConfig{KeepAlive: time.Minute}
	ln, err := lc.Listen(ctx, "tcp", l.cfg.Where)
	if err != nil {
		return err
	}
	var secure *tls.Config
	if l.opt.tls != nil {
		if secure, err = l.opt.tls.config(); err != nil {
			ln.Close()
			return err
		}
	}
	l.listening(l.stream(), ln.Addr())
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	defer ln.Close()
	var all sync.WaitGroup
	defer all.Wait()
	open := &limit{max: l.opt.connections, each: max(1, l.opt.connections/4), by: map[string]int{}}
	for {
		conn, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		source := l.source(l.stream(), conn.RemoteAddr())
		if why := open.enter(source); why != "" {
			l.note(source, why)
			conn.Close()
			continue
		}
		all.Go(func() {
			defer open.leave(source)
			if secure != nil {
				if conn = l.shake(ctx, tls.Server(conn, secure), source); conn == nil {
					return
				}
			}
			l.serve(ctx, conn, source)
		})
	}
}

// shake agrees on TLS, or says why not, and closes the connection.
func (l *listener) shake(ctx context.Context, conn *tls.Conn, source string) net.Conn {
	ctx, cancel := context.WithTimeout(ctx, handshake)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		conn.Close()
		if !errors.Is(err, io.EOF) && ctx.Err() == nil {
			l.note(source, "a connection was refused: "+err.Error())
		}
		return nil
	}
	return conn
}

// limit counts connections, in all and by source.
type limit struct {
	mu        sync.Mutex
	max, each int
	all       int
	by        map[string]int
}

func (c *limit) enter(source string) (why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.all >= c.max:
		return fmt.Sprintf("a connection was refused: %d are open; raise the option connections", c.all)
	case c.by[source] >= c.each:
		return fmt.Sprintf("a connection was refused: %d of this address are open; raise the option connections", c.by[source])
	}
	c.all++
	c.by[source]++
	return ""
}

func (c *limit) leave(source string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.by[source]--; c.by[source] == 0 {
		delete(c.by, source)
	}
}

// serve reads one connection to its end. All frames that have arrived go on
// together; while the disk takes them, nothing more is read, and the sender
// waits.
func (l *listener) serve(ctx context.Context, conn net.Conn, source string) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 64<<10)
	audits := &together{l: l, open: &l.audits}
	defer audits.end(source)
	for {
		raw, cut, err := readFrame(r)
		var batch []holdfast.Record
		for {
			if len(raw) > 0 {
				batch = audits.add(batch, l.record(source, raw, cut))
			}
			if err != nil || len(batch) >= maxPut || !whole(r) {
				break
			}
			raw, cut, err = readFrame(r)
		}
		if err != nil {
			batch = append(batch, audits.end(source)...)
		}
		if len(batch) > 0 && !l.putTCP(ctx, source, batch) {
			return
		}
		if errors.Is(err, errFrame) {
			l.note(source, "the connection was closed: "+err.Error())
		}
		if err != nil {
			return
		}
	}
}

// putTCP offers records until they are taken, and once more, briefly, when the
// input ends.
func (l *listener) putTCP(ctx context.Context, source string, batch []holdfast.Record) bool {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := l.env.Sink.Put(ctx, batch)
		if err == nil {
			l.note(source, "")
			return true
		}
		if ctx.Err() != nil {
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			return l.env.Sink.Put(last, batch) == nil
		}
		l.note(source, "waits: "+err.Error())
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
}
