package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast"
	"holdfast/internal/testkit/clicklab"
	"holdfast/spine/health"
	"holdfast/store/events"
	"holdfast/store/state"
)

// TestClickHouse runs a server whose events lie in ClickHouse, and kills it with
// signal 9 while a sender goes on, and ClickHouse, too. Afterwards every record
// that was acknowledged is there once, by the searches and by store verify.
func TestClickHouse(t *testing.T) {
	if testing.Short() {
		t.Skip("the kills take a while")
	}
	far := clicklab.Start(t)
	const secretWord = "s3cret"
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte(secretWord+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := strings.Replace(far.Database(), "://", "://keeper@", 1)
	data := filepath.Join(t.TempDir(), "data")
	refused := newSolo(t, data, "--no-agent", "--events", address)
	if _, errOut, code := refused.run(refused.args...); code == 0 || !strings.Contains(errOut, "password-file") {
		t.Errorf("without the password it ended with %d: %s", code, errOut)
	}
	s := newSolo(t, data, "--no-agent", "--events", address+"?password-file="+secret)
	s.start()
	send := &clusterSender{t: t, to: []*solo{s}, token: s.inputToken("sender"), stop: make(chan struct{})}
	var sending sync.WaitGroup
	sending.Go(send.run)
	goesOn := func(after string) {
		t.Helper()
		from, kept := send.count(), stored(t, data)
		s.wait(time.Minute, "records are acknowledged "+after, func() bool { return send.count() > from+10 })
		s.wait(time.Minute, "records are stored "+after, func() bool { return stored(t, data) > kept })
	}
	goesOn("at first")
	for range 3 {
		if err := s.server.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-s.done
		s.start()
		goesOn("after a kill of the server")
	}
	far.Kill()
	from := send.count()
	s.wait(time.Minute, "records are acknowledged without ClickHouse", func() bool { return send.count() > from+5 })
	far.Start()
	goesOn("after a kill of ClickHouse")
	close(send.stop)
	sending.Wait()
	everyRecordOnce(t, s, send)
	s.wait(time.Minute, "nothing waits for a segment", func() bool { return s.ledger("sender").Waiting == 0 })
	var v events.Verification
	s.ask(&v, "store", "verify", "--deep")
	if !v.Holds() || v.Events < uint64(send.count()*loginsOfOne) {
		t.Errorf("%+v", v)
	}
	if strings.Contains(s.logged(), secretWord) {
		t.Error("the password stands in the log")
	}
}

// TestClickHouseAway starts a server while ClickHouse is away. It takes events in,
// says what is wrong, and stores them when ClickHouse comes; when it goes again, no
// sender is taken for silent.
func TestClickHouseAway(t *testing.T) {
	if testing.Short() {
		t.Skip("it is waited for")
	}
	far := clicklab.Start(t)
	address := far.Database()
	far.Kill()
	s := newSolo(t, filepath.Join(t.TempDir(), "data"), "--no-agent", "--events", address, "--health", "quiet:http:*=3s")
	s.start()
	send := &clusterSender{t: t, to: []*solo{s}, token: s.inputToken("sender"), stop: make(chan struct{})}
	var sending sync.WaitGroup
	sending.Go(send.run)
	away := func() bool {
		for _, x := range s.health().Troubles {
			if x.Kind == health.Store {
				return strings.Contains(x.What, far.Address)
			}
		}
		return false
	}
	alerts := func(status string) (n int) {
		var list []holdfast.Alert
		s.ask(&list, "alerts", "--status", status)
		for i := range list {
			if list[i].Rule == "health.store" {
				n++
			}
		}
		return n
	}
	s.wait(time.Minute, "records are acknowledged without ClickHouse", func() bool { return send.count() > 10 })
	s.wait(time.Minute, "health says that the store is away", away)
	s.wait(time.Minute, "there is an alert", func() bool { return alerts("open") == 1 })
	if notes := fmt.Sprint(s.status().Notes); !strings.Contains(notes, "the store of events is away") {
		t.Errorf("status says %s", notes)
	}
	if _, errOut, code := s.run("query", "*"); code == 0 || !strings.Contains(errOut, "cannot be reached") {
		t.Errorf("a search ended with %d: %s", code, errOut)
	}
	far.Start()
	s.wait(time.Minute, "what waited is stored", func() bool { return stored(t, s.data) > 5 })
	s.wait(time.Minute, "health says that it is back", func() bool { return !away() && alerts("open") == 0 && alerts("closed") == 1 })
	far.Kill()
	s.wait(time.Minute, "health says that it is away again", away)
	began, from := time.Now(), send.count()
	s.wait(time.Minute, "it is away for longer than a source may be silent", func() bool { return time.Since(began) > 6*time.Second && send.count() > from+10 })
	for _, x := range s.health().Troubles {
		if x.Kind == health.Quiet {
			t.Errorf("%s, while it sends and nobody can listen", x.What)
		}
	}
	far.Start()
	close(send.stop)
	sending.Wait()
	s.wait(time.Minute, "nothing waits for a segment", func() bool { return !away() && s.ledger("sender").Waiting == 0 })
	everyRecordOnce(t, s, send)
}

// stored is how far the writer of a data folder has come.
func stored(t *testing.T, data string) uint64 {
	t.Helper()
	db, err := state.OpenReadOnly(context.Background(), filepath.Join(data, "state.db"))
	if err != nil {
		return 0
	}
	defer db.Close()
	seq, _, err := db.Position(context.Background(), holdfast.WriterPosition)
	if err != nil {
		return 0
	}
	return seq
}
