package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast"
	"holdfast/internal/testkit/clicklab"
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
		s.wait(40*time.Second, "records are acknowledged "+after, func() bool { return send.count() > from+10 })
		s.wait(40*time.Second, "records are stored "+after, func() bool { return stored(t, data) > kept })
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
	s.wait(40*time.Second, "records are acknowledged without ClickHouse", func() bool { return send.count() > from+5 })
	far.Start()
	goesOn("after a kill of ClickHouse")
	close(send.stop)
	sending.Wait()
	everyRecordOnce(t, s, send)
	s.wait(20*time.Second, "nothing waits for a segment", func() bool { return s.ledger("sender").Waiting == 0 })
	var v events.Verification
	s.ask(&v, "store", "verify", "--deep")
	if !v.Holds() || v.Events < uint64(send.count()*loginsOfOne) {
		t.Errorf("%+v", v)
	}
	if strings.Contains(s.logged(), secretWord) {
		t.Error("the password stands in the log")
	}
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
