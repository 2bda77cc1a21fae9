package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/internal/host"
)

// TestBadDiskFull fills the disk under a running server: first to below its
// reserve, then to the last byte. Nothing is acknowledged meanwhile, that is
// said, and when there is room again it goes on by itself, with every
// acknowledged line there exactly once.
func TestBadDiskFull(t *testing.T) {
	needRoot(t, "mount a small tmpfs")
	disk := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=192m", "tmpfs", disk).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", disk).Run() })
	d := &fullDisk{
		solo: newSolo(t, filepath.Join(disk, "data"), "--reserve", strconv.Itoa(48<<20)),
		dir:  disk, watched: filepath.Join(t.TempDir(), "app.log"), acked: map[string]bool{},
	}
	d.lines(200)
	d.follow(d.watched)
	d.start()
	d.token = d.inputToken("shipper")
	stop := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() { d.send(stop) })
	defer sending.Wait()
	halt := sync.OnceFunc(func() { close(stop) })
	defer halt()
	d.wait(time.Minute, "lines flow in both ways", func() bool {
		return d.ledger("http:shipper").Stored > 20 && d.ledger("file:"+d.watched).Stored == 200
	})

	// Below the reserve: refused by choice, with all state still writable.
	d.fill(30 << 20)
	d.refuses("kept in reserve")
	d.standsStill()

	// Not one byte left: refused by the disk, for whoever writes.
	d.fill(0)
	d.refuses("kept in reserve")
	d.standsStill()

	if err := os.Remove(filepath.Join(disk, "ballast")); err != nil {
		t.Fatal(err)
	}
	d.wait(time.Minute, "it goes on by itself", func() bool {
		st := d.status()
		return st.Ingest.Accepting && d.ledger("file:"+d.watched).Stored == uint64(d.written)
	})
	before := d.ackedLines()
	d.wait(time.Minute, "HTTP is taken again", func() bool { return d.ackedLines() > before+20 })
	halt()
	sending.Wait()
	d.everyLineOnce()

	d.stop() // and nothing of it is lost or doubled by a restart
	d.start()
	d.everyLineOnce()
	if _, errOut, code := d.run("evidence", "verify"); code != 0 {
		t.Errorf("the evidence is damaged: %s", errOut)
	}
}

type fullDisk struct {
	*solo
	dir, watched, token string
	written             int // lines of watched

	mu    sync.Mutex
	acked map[string]bool // lines that HTTP acknowledged
	busy  int             // answers 429 or 503 with Retry-After
	other []string        // any other answer
}

// lines adds lines to the followed file.
func (d *fullDisk) lines(n int) {
	d.t.Helper()
	f, err := os.OpenFile(d.watched, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for range n {
		fmt.Fprintf(f, "{\"message\":\"file line %d\"}\n", d.written)
		d.written++
	}
}

// send posts small requests until stop, each under its key until it is taken.
func (d *fullDisk) send(stop chan struct{}) {
	for n := 0; ; n++ {
		var body strings.Builder
		var lines []string
		for i := range 5 {
			line := fmt.Sprintf(`{"message":"http line %d"}`, n*5+i)
			lines = append(lines, line)
			body.WriteString(line + "\n")
		}
		for taken := false; !taken; {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			status, retry, answer := d.post(d.token, fmt.Sprint("key-", n), []byte(body.String()))
			d.mu.Lock()
			switch {
			case status == http.StatusOK:
				taken = true
				for _, l := range lines {
					d.acked[l] = true
				}
			case (status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable) && retry != "":
				d.busy++
			default:
				d.other = append(d.other, fmt.Sprint(status, " ", retry, " ", answer))
			}
			d.mu.Unlock()
		}
	}
}

func (d *fullDisk) ackedLines() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.acked)
}

// fill leaves so many bytes free.
func (d *fullDisk) fill(leave uint64) {
	d.t.Helper()
	f, err := os.OpenFile(filepath.Join(d.dir, "ballast"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	chunk := make([]byte, 64<<10)
	for {
		free, _, err := host.Disk(d.dir)
		if err != nil {
			d.t.Fatal(err)
		}
		if free <= leave {
			return
		}
		if _, err := f.Write(chunk[:min(uint64(len(chunk)), free-leave)]); err != nil && leave > 0 {
			d.t.Fatal(err)
		}
	}
}

// refuses expects that inputs are refused, and that this is said.
func (d *fullDisk) refuses(why string) {
	d.t.Helper()
	d.wait(time.Minute, "status says that it refuses", func() bool {
		out, _, code := d.run("status")
		return code == exitBroken && strings.Contains(out, "REFUSING") && strings.Contains(out, why)
	})
	var st struct {
		Ingest struct {
			Accepting bool
			Why       string
		}
		Disk struct{ Free, Reserve uint64 }
	}
	d.api("/status", &st)
	if st.Ingest.Accepting || !strings.Contains(st.Ingest.Why, why) || st.Disk.Reserve != 48<<20 || st.Disk.Free >= st.Disk.Reserve {
		d.t.Errorf("the API says %+v", st)
	}
	var loop struct {
		Stages []struct {
			Name, State string
		}
	}
	d.api("/loop", &loop)
	broken := false
	for _, s := range loop.Stages {
		broken = broken || s.State == "broken"
	}
	if !broken {
		d.t.Errorf("the loop on one page does not show it: %+v", loop)
	}
}

// standsStill writes more lines while there is no room: nothing of either way
// in moves, and each says so.
func (d *fullDisk) standsStill() {
	d.t.Helper()
	at := d.position()
	if at == 0 {
		d.t.Fatal("the file input has no position yet")
	}
	d.mu.Lock()
	d.busy = 0
	d.mu.Unlock()
	d.lines(2000)
	d.wait(time.Minute, "the file input says that it waits for room", func() bool {
		for _, n := range d.status().Notes {
			if strings.Contains(n.Source, d.watched) && strings.Contains(n.Trouble, "room") {
				return true
			}
		}
		return false
	})
	acked := d.ackedLines()
	time.Sleep(2 * time.Second) // time in which something could move
	if now := d.position(); now != at {
		d.t.Errorf("the file input went from %d to %d with no room", at, now)
	}
	if now := d.ackedLines(); now != acked {
		d.t.Errorf("%d lines were acknowledged with no room", now-acked)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.busy == 0 || len(d.other) > 0 {
		d.t.Errorf("%d answers 429 or 503 with Retry-After, and %q", d.busy, d.other)
	}
}

var offset = regexp.MustCompile(`\\"off\\":(\d+)`)

// position is how far the file was read, as the newest segment of the agent's
// spool has it.
func (d *fullDisk) position() int64 {
	d.t.Helper()
	names, err := filepath.Glob(filepath.Join(d.data, "agent", "spool", "*.seg"))
	if err != nil || len(names) == 0 {
		d.t.Fatalf("no spool: %v", err)
	}
	last := int64(0)
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // sent and removed meanwhile
		}
		for _, m := range offset.FindAllSubmatch(b, -1) {
			if last, err = strconv.ParseInt(string(m[1]), 10, 64); err != nil {
				d.t.Fatal(err)
			}
		}
	}
	return last
}

// everyLineOnce looks for every line that was acknowledged, and at the sums.
func (d *fullDisk) everyLineOnce() {
	d.t.Helper()
	want := map[string]bool{}
	for i := range d.written {
		want[fmt.Sprintf(`{"message":"file line %d"}`, i)] = true
	}
	d.mu.Lock()
	for l := range d.acked {
		want[l] = true
	}
	d.mu.Unlock()
	got := map[string]int{}
	d.wait(time.Minute, "every line is found", func() bool {
		clear(got)
		for _, r := range d.rows(`"line" | project raw`) {
			got[r["raw"].(string)]++
		}
		return len(got) >= len(want)
	})
	missing, doubled := 0, 0
	for l := range want {
		if got[l] == 0 {
			missing++
		}
	}
	for _, n := range got {
		if n > 1 {
			doubled++
		}
	}
	d.t.Logf("%d lines acknowledged, %d missing, %d doubled", len(want), missing, doubled)
	if missing+doubled > 0 || len(want) < 4000 {
		d.t.Errorf("of %d lines %d are missing and %d doubled", len(want), missing, doubled)
	}
	for _, r := range d.status().Ledger {
		if !r.Balanced() {
			d.t.Errorf("%+v does not add up", r)
		}
	}
}
