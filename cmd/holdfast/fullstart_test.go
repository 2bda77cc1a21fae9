package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"holdfast"
)

// TestStartOnFullDisk starts the server where not one byte is free, after it was
// killed: it comes up in the room that it kept for this, can be searched, says
// what is wrong and takes nothing in, until there is room again. Without that room
// it says what to do.
func TestStartOnFullDisk(t *testing.T) {
	needRoot(t, "mount a small tmpfs")
	disk := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", disk).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", disk).Run() })
	d := &fullDisk{solo: newSolo(t, filepath.Join(disk, "data"), "--no-agent", "--reserve", strconv.Itoa(48<<20)), dir: disk}
	d.start()
	d.token = d.inputToken("shipper")
	if status, _, answer := d.post(d.token, "", []byte("{\"message\":\"before\"}\n")); status != http.StatusOK {
		t.Fatal(status, answer)
	}
	kept := filepath.Join(d.data, ballastName)
	d.wait(time.Minute, "the event is stored and room is kept for a start", func() bool {
		info, err := os.Stat(kept)
		return err == nil && info.Size() == ballastMost && d.ledger("http:shipper").Stored == 1
	})
	d.kill()
	d.fill(0)
	d.start()
	if _, err := os.Stat(kept); err == nil {
		t.Error("it came up, and the room kept for this was not needed")
	}
	d.refuses("kept in reserve")
	if status, retry, answer := d.post(d.token, "key", []byte("{\"message\":\"after\"}\n")); status != http.StatusTooManyRequests || retry == "" || !strings.Contains(answer, "no room") {
		t.Errorf("%d %q %s", status, retry, answer)
	}
	if got := d.rows(`"before"`); len(got) != 1 {
		t.Errorf("a search finds %d events", len(got))
	}
	d.wait(time.Minute, "an alert says that the disk is full", func() bool {
		var alerts []holdfast.Alert
		d.ask(&alerts, "alerts")
		for _, a := range alerts {
			if strings.Contains(a.Title, "disk") && a.Level == holdfast.Critical {
				return true
			}
		}
		return false
	})
	d.kill()

	// Someone else takes that room as well.
	d.fill(0)
	for _, name := range []string{kept, filepath.Join(d.data, "state.db-shm")} {
		_ = os.Remove(name)
	}
	d.fill(0)
	if _, errOut, code := d.run("up", "--listen", "127.0.0.1:0", "--agents", "127.0.0.1:0", "--no-agent"); code != 1 || !strings.Contains(errOut, "is full") || !strings.Contains(errOut, "start again") {
		t.Errorf("%d %s", code, errOut)
	}

	if err := os.Remove(filepath.Join(disk, "ballast")); err != nil {
		t.Fatal(err)
	}
	d.start()
	d.wait(time.Minute, "it takes events again", func() bool {
		status, _, _ := d.post(d.token, "key", []byte("{\"message\":\"after\"}\n"))
		return status == http.StatusOK
	})
	d.wait(time.Minute, "both events are there, and room is kept again", func() bool {
		_, err := os.Stat(kept)
		return err == nil && len(d.rows(`"before"`)) == 1 && len(d.rows(`"after"`)) == 1
	})
	for _, r := range d.status().Ledger {
		if !r.Balanced() {
			t.Errorf("%+v does not add up", r)
		}
	}
}
