package syslog

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/internal/clock"
	"holdfast/internal/testkit/ports"
)

type sink struct {
	mu      sync.Mutex
	records []holdfast.Record
	notes   map[string]string
	refuse  error
}

func (s *sink) Put(_ context.Context, r []holdfast.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return s.refuse
	}
	s.records = append(s.records, r...)
	return nil
}

func (s *sink) note(source, trouble string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.notes == nil {
		s.notes = map[string]string{}
	}
	s.notes[source] = trouble
}

func (s *sink) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, r := range s.records {
		out = append(out, r.Source+" "+string(r.Raw))
	}
	return out
}

func (s *sink) trouble(part string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.notes {
		if strings.Contains(t, part) {
			return true
		}
	}
	return false
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not come", what)
		}
	}
}

func start(t *testing.T, s *sink, where string, options map[string]string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	env := input.Env{Sink: s, Log: slog.New(slog.DiscardHandler), Clock: clock.System{}, Note: s.note}
	go func() { done <- Input().Run(ctx, input.Config{Kind: "syslog", Where: where, Options: options}, env) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

func dial(t *testing.T, where string) net.Conn {
	t.Helper()
	var conn net.Conn
	waitFor(t, "the listener", func() bool {
		c, err := net.Dial("tcp", where)
		conn = c
		return err == nil
	})
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestTCP(t *testing.T) {
	s, where := &sink{}, ports.Address(t)
	start(t, s, where, nil)
	conn := dial(t, where)
	fmt.Fprintf(conn, "<13>one\n<13>two\r\n14 <13>a b\n\nthr ee<13>four\n7 <13>fiv2026-11-23 six\nlast")
	conn.(*net.TCPConn).CloseWrite()
	src := "syslog:tcp:127.0.0.1 "
	want := []string{"<13>one", "<13>two", "<13>a b\n\nthr e", "e<13>four", "<13>fiv", "2026-11-23 six", "last"}
	for i := range want {
		want[i] = src + want[i]
	}
	waitFor(t, "the last line", func() bool { return len(s.lines()) >= len(want) })
	if d := cmp.Diff(want, s.lines()); d != "" {
		t.Error(d)
	}
	seen := map[string]bool{}
	for _, r := range s.records {
		if seen[r.Position] {
			t.Errorf("position %s twice", r.Position)
		}
		seen[r.Position] = true
	}
}

func TestTCPLong(t *testing.T) {
	s, where := &sink{}, ports.Address(t)
	start(t, s, where, nil)
	conn := dial(t, where)
	long := strings.Repeat("x", 3<<20)
	fmt.Fprintf(conn, "%s\nafter\n%d %s<13>end\n", long, len(long), long)
	waitFor(t, "four records", func() bool { return len(s.lines()) == 4 })
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, want := range []struct {
		size int
		cut  bool
	}{{input.MaxRecord, true}, {5, false}, {input.MaxRecord, true}, {7, false}} {
		if r := s.records[i]; len(r.Raw) != want.size || r.Truncated != want.cut {
			t.Errorf("record %d: %d bytes, cut %v", i, len(r.Raw), r.Truncated)
		}
	}
}

func TestTCPWaitsForRoom(t *testing.T) {
	s, where := &sink{refuse: fmt.Errorf("the disk: %w", holdfast.ErrFull)}, ports.Address(t)
	start(t, s, where, nil)
	fmt.Fprint(dial(t, where), "<13>one\n")
	waitFor(t, "the note", func() bool { return s.trouble("no room") })
	s.mu.Lock()
	s.refuse = nil
	s.mu.Unlock()
	waitFor(t, "the line", func() bool { return len(s.lines()) == 1 })
}

func TestConnectionsAreLimited(t *testing.T) {
	s, where := &sink{}, ports.Address(t)
	start(t, s, where, map[string]string{"connections": "4"})
	first := dial(t, where)
	second := dial(t, where)
	waitFor(t, "the note", func() bool { return s.trouble("a connection was refused") })
	if err := second.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the second connection of four from one address is open: %v", err)
	}
	fmt.Fprint(first, "<13>still here\n")
	waitFor(t, "the line", func() bool { return len(s.lines()) == 1 })
}

func TestUDP(t *testing.T) {
	s, where := &sink{}, ports.Address(t)
	start(t, s, where, map[string]string{"proto": "udp"})
	conn, err := net.Dial("udp", where)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	waitFor(t, "the datagram", func() bool {
		_, _ = conn.Write([]byte("<13>one\n\x00")) // until somebody listens
		return len(s.lines()) > 0
	})
	if got := s.lines()[0]; got != "syslog:udp:127.0.0.1 <13>one" {
		t.Errorf("got %q", got)
	}
}

func TestPortTakenAndFreedAgain(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, where := &sink{}, ln.Addr().String()
	start(t, s, where, map[string]string{"proto": "tcp"})
	waitFor(t, "the note", func() bool { return s.trouble("cannot listen") })
	ln.Close()
	fmt.Fprint(dial(t, where), "<13>one\n")
	waitFor(t, "the line", func() bool { return len(s.lines()) == 1 })
	if s.trouble("cannot listen") {
		t.Error("the note was not taken back")
	}
}

func TestCheck(t *testing.T) {
	for _, cfg := range []input.Config{
		{Where: "514"},
		{Where: "127.0.0.1:x"},
		{Where: ":1", Options: map[string]string{"proto": "sctp"}},
		{Where: ":1", Options: map[string]string{"connections": "0"}},
		{Where: ":1", Options: map[string]string{"x": "y"}},
		{Where: ":1", Options: map[string]string{"proto": "tls"}},
		{Where: ":1", Options: map[string]string{"cert": "/x"}},
		{Where: ":1", Options: map[string]string{"zone": "Nowhere/Land"}},
		{Where: ":1", Options: map[string]string{"zone": "here=UTC"}},
	} {
		if err := Input().Check(cfg); !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

// TestAuditRecordsComeTogether sends the records of one event, each in a syslog
// line, and another's between them.
func TestAuditRecordsComeTogether(t *testing.T) {
	s, where := &sink{}, ports.Address(t)
	start(t, s, where, nil)
	lines := []string{
		`<46>Nov 23 02:09:06 h audispd: type=SYSCALL msg=audit(1795399746.123:1): syscall=59 success=yes ppid=1 pid=10 exe="/bin/id"`,
		"<13>Nov 23 02:09:06 h app: between",
		`<46>Nov 23 02:09:06 h audispd: type=EXECVE msg=audit(1795399746.123:1): argc=1 a0="id"`,
		"<46>Nov 23 02:09:06 h audispd: type=PROCTITLE msg=audit(1795399746.123:1): proctitle=6964",
	}
	whole := strings.Join([]string{lines[0], lines[2], lines[3]}, "\n")
	conn := dial(t, where)
	fmt.Fprint(conn, strings.Join(lines, "\n")+"\n")
	waitFor(t, "the event", func() bool { return slices.Contains(s.lines(), "syslog:tcp:127.0.0.1 "+whole) })
	udp, err := net.Dial("udp", where)
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	for _, l := range lines {
		fmt.Fprint(udp, l)
	}
	waitFor(t, "the event in datagrams", func() bool { return slices.Contains(s.lines(), "syslog:udp:127.0.0.1 "+whole) })
	if n := len(s.lines()); n != 10 {
		t.Errorf("%d records", n)
	}
}

func TestZones(t *testing.T) {
	z, err := readZones("192.0.2.0/24=Asia/Tokyo, 192.0.2.7=-05:00,+02:00")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for source, want := range map[string]int{"syslog:udp:192.0.2.1": 9, "syslog:tls:192.0.2.7": -5, "syslog:tcp:2001:db8::1": 2, "syslog:udp:other": 2} {
		got := z.in(now, source)
		if _, off := got.Zone(); off != want*3600 || !got.Equal(now) {
			t.Errorf("%s: %s", source, got)
		}
	}
	if got := zones(nil).in(now, "syslog:udp:192.0.2.1"); got != now {
		t.Error(got)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("<13>one\n14 <13>a b\n\nthr ee<13>four\n7 <13>fiv2026-11-23 six\nlast"))
	f.Add([]byte("99999999999 x"))
	f.Add([]byte("5"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(data), 64)
		taken := 0
		for range len(data) + 2 {
			raw, _, err := readFrame(r)
			if taken += len(raw); taken > len(data) {
				t.Fatal("more came out than went in")
			}
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, errFrame) {
					t.Fatal(err)
				}
				return
			}
		}
		t.Fatal("the stream has no end")
	})
}

// FuzzAudit puts the lines of one sender together: each goes on as it came, and
// what is made of several is no larger than they were.
func FuzzAudit(f *testing.F) {
	f.Add([]byte("type=SYSCALL msg=audit(1700000000.1:7): a=1\ntype=EXECVE msg=audit(1700000000.1:7): a0=\"x\"\ntype=EOE msg=audit(1700000000.1:7):"))
	f.Add([]byte("<13>Nov 23 02:09:06 h audispd: type=SYSCALL msg=audit(1.1:7): a=1\n<13>x\ntype=PATH msg=audit(99999999999999999999.1:-7): a=1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l := &listener{}
		l.env.Clock = clock.NewFixed(time.Unix(1700000000, 0))
		one := &together{l: l}
		var batch []holdfast.Record
		n := 0
		for line := range bytes.SplitSeq(data, []byte("\n")) {
			before := len(batch)
			batch = one.add(batch, holdfast.Record{Source: "s", Raw: line})
			if n++; len(batch) == before || !bytes.Equal(batch[before].Raw, line) {
				t.Fatalf("%q did not go on as it came", line)
			}
		}
		batch = append(batch, one.end("s")...)
		total := 0
		for _, r := range batch {
			total += len(r.Raw)
		}
		if total > 2*len(data)+64*n || len(batch) > 2*n {
			t.Fatalf("%d records of %d bytes came of %d lines of %d bytes", len(batch), total, n, len(data))
		}
	})
}
