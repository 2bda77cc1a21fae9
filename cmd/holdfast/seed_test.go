package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"holdfast"
	"holdfast/internal/clock"
	"holdfast/store/bus"
	"holdfast/store/events"
	"holdfast/store/state"
)

// seedDead leaves on the bus what an earlier version could not read: a line of
// sshd, a record of an Azure flow log of which one flow is damaged, and noise that
// nobody reads today either.
func seedDead(t *testing.T, data string) {
	t.Helper()
	dir := filepath.Join(data, "bus")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	b, err := bus.Open(ctx, bus.Options{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	block := &holdfast.Block{ID: "of-before", Made: now}
	for i, x := range [][2]string{
		{"old:sshd", "<86>" + now.Format(time.RFC3339) + " web1 sshd[7]: Accepted password for mallory from 198.18.7.99 port 5011 ssh2"},
		{"old:azure", `{"time":"2026-11-23T02:02:52Z","category":"NetworkSecurityGroupFlowEvent","properties":{"Version":2,"flows":[{"rule":"a","flows":[{"mac":"000D3AF87856","flowTuples":["` +
			strconv.FormatInt(now.Unix(), 10) + `,203.0.113.190,10.5.16.4,28746,443,T,I,D,B,,,,","` + strconv.FormatInt(now.Unix(), 10) + `,203.0.113.191,10.5.16.4,port,443,T,I,D,B,,,,"]}]}]}}`},
		{"old:noise", "\x00\x01 noise"},
	} {
		block.Events = append(block.Events, holdfast.Event{
			ID: holdfast.NewEventID(x[0], strconv.Itoa(i), []byte(x[1]), 0), Time: now, Received: now, Source: x[0], Dataset: holdfast.DeadLetter, Raw: []byte(x[1]),
			Fields: []holdfast.Field{{Name: "error", Text: "no parser knows this kind of record"}}, Trouble: "no parser knows this kind of record",
		})
		block.Counts = append(block.Counts, holdfast.Count{Source: x[0], Hour: holdfast.Hour(now), Received: 1, DeadLettered: 1})
	}
	_, _, err = b.Publish(ctx, block)
	if err := errors.Join(err, b.Close()); err != nil {
		t.Fatal(err)
	}
}

// keptStore fills a data folder with two segments of events, without a server.
func keptStore(data string) error {
	ctx := context.Background()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := clock.NewFixed(at)
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	db, err := state.Open(ctx, filepath.Join(data, "state.db"), c)
	if err != nil {
		return err
	}
	defer db.Close()
	s, err := events.Open(ctx, events.Options{Dir: filepath.Join(data, "events"), Manifest: db, Clock: c, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer s.Close()
	w, err := s.NewWriter(ctx, func(*holdfast.Event) []holdfast.Entity { return nil })
	if err != nil {
		return err
	}
	for n := range uint64(2) {
		b := &holdfast.Block{ID: fmt.Sprint(n), Made: at, Counts: []holdfast.Count{{Source: "file:a", Hour: at, Received: 9}, {Source: "http:b", Hour: at, Received: 2, Rejected: 1}}}
		for i := range 10 {
			e := holdfast.Event{Time: at, Received: at, Source: "file:a", Dataset: "linux.sshd", Raw: fmt.Appendf(nil, "line %d of %d", i, n)}
			if i == 9 {
				e.Source, e.Dataset = "http:b", "json"
			}
			e.ID = holdfast.NewEventID(e.Source, fmt.Sprint(n, i), e.Raw, 0)
			b.Events = append(b.Events, e)
		}
		if err := errors.Join(w.Add(ctx, n+1, b), w.Flush(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// keep FOLDER makes a data folder with two segments; damage changes a byte in the
// middle of the first, lose removes it.
func keep(ts *testscript.TestScript, _ bool, args []string) { ts.Check(keptStore(ts.MkAbs(args[0]))) }

func damage(ts *testscript.TestScript, _ bool, args []string) {
	name := firstSegment(ts, args[0])
	b, err := os.ReadFile(name)
	ts.Check(err)
	b[len(b)/2] ^= 0xff
	ts.Check(os.WriteFile(name, b, 0o600))
}

func lose(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.Remove(firstSegment(ts, args[0])))
}

func firstSegment(ts *testscript.TestScript, folder string) string {
	names, err := filepath.Glob(filepath.Join(ts.MkAbs(folder), "events", "*", "*.parquet"))
	ts.Check(err)
	if len(names) == 0 {
		ts.Fatalf("there is no segment in %s", folder)
	}
	return names[0]
}
