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
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/internal/clock"
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
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not come", what)
		}
	}
}

// freePort returns an address of loopback on which nothing listens.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
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
	s, where := &sink{}, freePort(t)
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
	s, where := &sink{}, freePort(t)
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
	s, where := &sink{refuse: fmt.Errorf("the disk: %w", holdfast.ErrFull)}, freePort(t)
	start(t, s, where, nil)
	fmt.Fprint(dial(t, where), "<13>one\n")
	waitFor(t, "the note", func() bool { return s.trouble("no room") })
	s.mu.Lock()
	s.refuse = nil
	s.mu.Unlock()
	waitFor(t, "the line", func() bool { return len(s.lines()) == 1 })
}

func TestConnectionsAreLimited(t *testing.T) {
	s, where := &sink{}, freePort(t)
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
	s, where := &sink{}, freePort(t)
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

// TestRsyslogd takes what a real rsyslogd forwards, in its three dialects.
func TestRsyslogd(t *testing.T) {
	program, err := exec.LookPath("rsyslogd")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("rsyslogd is missing")
		}
		t.Skip("needs rsyslogd")
	}
	s, where := &sink{}, freePort(t)
	start(t, s, where, nil)
	dial(t, where).Close()
	host, port, _ := net.SplitHostPort(where)
	dir := t.TempDir()
	from := filepath.Join(dir, "in.log")
	if err := os.WriteFile(from, []byte("hello from rsyslog\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	conf := fmt.Sprintf(`module(load="imfile")
global(workDirectory=%q)
input(type="imfile" File=%q Tag="app:")
action(type="omfwd" target=%q port=%q protocol="tcp" tcp_framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format")
action(type="omfwd" target=%q port=%q protocol="tcp" template="RSYSLOG_TraditionalForwardFormat")
action(type="omfwd" target=%q port=%q protocol="udp" template="RSYSLOG_ForwardFormat")
`, dir, from, host, port, host, port, host, port)
	file := filepath.Join(dir, "rsyslog.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, program, "-n", "-C", "-f", file, "-i", filepath.Join(dir, "pid"))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	ours := func() []string {
		return slices.DeleteFunc(s.lines(), func(l string) bool { return !strings.Contains(l, "hello from rsyslog") })
	}
	waitFor(t, "the line in three dialects", func() bool { return len(ours()) == 3 })
	for _, l := range ours() {
		if !strings.Contains(l, " <133>") {
			t.Errorf("no priority: %q", l)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, cfg := range []input.Config{
		{Where: "514"}, {Where: "127.0.0.1:x"}, {Where: ":1", Options: map[string]string{"proto": "sctp"}},
		{Where: ":1", Options: map[string]string{"connections": "0"}}, {Where: ":1", Options: map[string]string{"x": "y"}},
	} {
		if err := Input().Check(cfg); !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("%+v: %v", cfg, err)
		}
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
