package spool

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast"
	"holdfast/internal/clock"
)

const crashDir = "HOLDFAST_SPOOL_CRASH"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		writeForever(dir)
	}
	os.Exit(m.Run())
}

func open(t testing.TB, dir string, size int64) *Spool {
	t.Helper()
	s, err := Open(Options{Dir: dir, Max: size, Reserve: 1, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func record(source string, n int) holdfast.Record {
	return holdfast.Record{Source: source, Position: strconv.Itoa(n), Received: time.Unix(int64(n), 0).UTC(), Raw: []byte(fmt.Sprintf("line %d of %s", n, source))}
}

// writeForever puts numbered records as four inputs would, says what it was
// told is durable, and waits to be killed.
func writeForever(dir string) {
	s, err := Open(Options{Dir: dir, Reserve: 1, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var mu sync.Mutex
	for k := range 4 {
		source := fmt.Sprintf("s%d", k)
		go func() {
			from := 0
			if p, ok := s.Load(source); ok {
				from, _ = strconv.Atoi(p)
			}
			for n := from; ; n += 3 {
				if err := s.Put(context.Background(), []holdfast.Record{record(source, n), record(source, n+1), record(source, n+2)}); err != nil {
					fmt.Println("error", err)
					os.Exit(1)
				}
				mu.Lock()
				fmt.Println(source, n+3)
				mu.Unlock()
				_ = s.Save(source, strconv.Itoa(n+3))
			}
		}()
	}
	select {}
}

func TestNothingIsLostOrDoubledOverKills(t *testing.T) {
	dir := t.TempDir()
	acked := map[string]int{}
	got := map[string]int{} // how many of each source were read, in order
	for round := range 12 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		sc := bufio.NewScanner(out)
		for lines := 0; sc.Scan(); lines++ {
			source, n, _ := strings.Cut(sc.Text(), " ")
			if source == "error" {
				t.Fatal(n)
			}
			v, err := strconv.Atoi(n)
			if err != nil {
				break // cut by the kill
			}
			acked[source] = max(acked[source], v)
			if lines == 20+round*7 {
				_ = cmd.Process.Kill()
			}
		}
		_ = cmd.Wait()
		s := open(t, dir, 0)
		seen := ""
		for s.Stats().Records > 0 {
			b, err := s.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range b.Records {
				if want := strconv.Itoa(got[r.Source]); r.Position != want {
					t.Fatalf("round %d: %s gave %s, want %s", round, r.Source, r.Position, want)
				}
				got[r.Source]++
			}
			if id := b.ID("a"); id == seen {
				t.Fatalf("batch %s twice", id)
			} else {
				seen = id
			}
			if err := s.Ack(b); err != nil {
				t.Fatal(err)
			}
		}
		for source, n := range acked {
			if got[source] < n {
				t.Fatalf("round %d: %s: %d were acknowledged, %d are there", round, source, n, got[source])
			}
		}
		// The cursor is durable with the next batch only; make it so here, since
		// this reader does not remember ids as a server does.
		s.mu.Lock()
		err = s.saveCursor(s.cur)
		s.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%v", got)
}

func TestFullSpoolTakesNothingAndGoesOn(t *testing.T) {
	s := open(t, t.TempDir(), 64<<10)
	n := 0
	for ; ; n++ {
		r := record("s", n)
		r.Raw = append(r.Raw, []byte(holdfast.NewID("x")+strings.Repeat(holdfast.NewID("y"), 20))...)
		if err := s.Put(t.Context(), []holdfast.Record{r}); errors.Is(err, holdfast.ErrFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if st := s.Stats(); !st.Full || st.Records != n {
		t.Fatalf("%+v after %d", st, n)
	}
	for s.Stats().Records > 0 {
		b, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Ack(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Put(t.Context(), []holdfast.Record{record("s", n)}); err != nil {
		t.Fatalf("with room again: %v", err)
	}
}

// TestReserveIsKept has a disk with less room than the reserve: no records are
// taken, but positions and acknowledgements are, and with room it goes on.
func TestReserveIsKept(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 0)
	if err := s.Put(t.Context(), []holdfast.Record{record("s", 0)}); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	s, err := Open(Options{Dir: dir, Reserve: 1 << 60, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), []holdfast.Record{record("s", 1)}); !errors.Is(err, holdfast.ErrFull) {
		t.Fatalf("below the reserve: %v", err)
	}
	if st := s.Stats(); !st.Full || st.Records != 1 {
		t.Errorf("%+v", st)
	}
	b, err := s.Next(t.Context())
	if err != nil || s.Ack(b) != nil || s.Save("s", "1") != nil {
		t.Errorf("what frees room is refused too: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, 0)
	if p, _ := s.Load("s"); p != "1" {
		t.Errorf("the position was not kept: %q", p)
	}
	if err := s.Put(t.Context(), []holdfast.Record{record("s", 1)}); err != nil {
		t.Fatalf("with room again: %v", err)
	}
}

func TestBatchKeepsItsBounds(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 0)
	put := func(s *Spool, n int) {
		if err := s.Put(t.Context(), []holdfast.Record{record("s", n)}); err != nil {
			t.Fatal(err)
		}
	}
	put(s, 0)
	b, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	put(s, 1)
	_ = s.Close()
	s = open(t, dir, 0)
	again, err := s.Next(t.Context())
	if err != nil || again.ID("a") != b.ID("a") || len(again.Records) != 1 {
		t.Fatalf("%+v, %v", again, err)
	}
}

// TestOldestIsTheFirstThatWaits reads the same after a start anew.
func TestOldestIsTheFirstThatWaits(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 0)
	is := func(what string, sec int64) {
		t.Helper()
		want := time.Unix(sec, 0)
		if sec == 0 {
			want = time.Time{}
		}
		if got := s.Stats().Oldest; !got.Equal(want) {
			t.Errorf("%s: the oldest is of %s, want %s", what, got, want)
		}
	}
	is("empty", 0)
	if err := s.Put(t.Context(), []holdfast.Record{record("a", 20), record("a", 10)}); err != nil {
		t.Fatal(err)
	}
	is("two records", 10)
	b, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{30, 40} {
		if err := s.Put(t.Context(), []holdfast.Record{record("a", n)}); err != nil {
			t.Fatal(err)
		}
	}
	is("two more", 10)
	if err := s.Ack(b); err != nil {
		t.Fatal(err)
	}
	if b, err = s.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	is("the first two sent", 30)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, 0)
	is("after a start anew", 30)
	if err := s.Ack(b); err != nil {
		t.Fatal(err)
	}
	is("all sent", 0)
}

func FuzzReadFrame(f *testing.F) {
	f.Add(appendFrame(nil, kindPositions, 1, []byte(`{"a":"b"}`)))
	f.Add([]byte("garbage that is no frame at all"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		fr, err := readFrame(bytes.NewReader(b))
		if err != nil {
			return
		}
		_, _ = fr.records()
		_, _ = fr.positions()
	})
}
