package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/internal/testkit/chaos"
	"holdfast/internal/testkit/netlab"
	"holdfast/internal/testkit/ports"
)

// chaosRounds is how many rounds TestChaos has; HOLDFAST_CHAOS_ROUNDS says
// otherwise, and make chaos says 100.
const chaosRounds = 4

// TestChaos keeps real senders sending to the real server, on a small disk of its
// own, and breaks something new in every round, by chance: the server is killed
// with signal 9, at any moment or at one of its writes; its disk is full, slow or
// fails; the last write to a file is torn; its clock jumps; ten times as much
// comes. After each round every event that was acknowledged is found exactly
// once, and every other at most once; at the end the ledger, the store and the
// evidence are held against themselves as well.
//
// HOLDFAST_CHAOS_SEED repeats the choices of a run. Moments are those of the
// machine, so the same seed breaks the same things, not at the same instruction.
func TestChaos(t *testing.T) {
	netlab.Require(t, "strace", "curl", "logger", "mount")
	rounds, seed := number(t, "HOLDFAST_CHAOS_ROUNDS", chaosRounds), number(t, "HOLDFAST_CHAOS_SEED", int(time.Now().UnixNano()&0x7fffffff))
	t.Logf("HOLDFAST_CHAOS_SEED=%d HOLDFAST_CHAOS_ROUNDS=%d", seed, rounds)
	c := newChaos(t, uint64(seed))
	c.launch()
	c.prepare()
	for n := range rounds {
		c.round(n)
		if t.Failed() {
			break
		}
	}
	c.whole()
}

func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// chaosRun is the server, what it stands on, and what was sent to it.
type chaosRun struct {
	*solo
	r                      *rand.Rand
	disk, scratch, watched string
	syslog, token          string
	book                   book

	mu      sync.Mutex // over the server that runs; held while none may start
	cmd     *exec.Cmd
	clock   *chaos.Clock
	off     time.Duration // of its clock
	ended   bool
	killed  bool // by us
	crashes int  // it ended by itself
	gone    chan struct{}
}

func newChaos(t *testing.T, seed uint64) *chaosRun {
	t.Helper()
	disk := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=640m", "tmpfs", disk).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", disk).Run() })
	c := &chaosRun{
		r: rand.New(rand.NewPCG(seed, 4)), disk: disk, scratch: t.TempDir(), syslog: ports.Address(t), book: book{ids: map[string]fate{}}, gone: make(chan struct{}),
	}
	c.watched = filepath.Join(c.scratch, "app.log")
	c.solo = newSolo(t, filepath.Join(disk, "data"), "--reserve", strconv.Itoa(48<<20), "--syslog", c.syslog)
	c.follow(c.watched)
	t.Cleanup(c.end)
	return c
}

// launch keeps the server running, as an init system does: when it ends it is
// started again, at the time of day that it had.
func (c *chaosRun) launch() {
	start := func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.ended {
			return false
		}
		cmd := c.command(context.Background(), c.args...)
		cmd.Stdout, cmd.Stderr = c.log, c.log
		clock, err := chaos.Start(cmd, c.off)
		if err != nil {
			c.t.Errorf("starting the server: %v", err)
			return false
		}
		c.cmd, c.clock, c.killed = cmd, clock, false
		return true
	}
	go func() {
		defer close(c.gone)
		for start() {
			_ = c.cmd.Wait()
			c.mu.Lock()
			_ = c.clock.Close()
			if !c.killed {
				c.crashes++
			}
			c.mu.Unlock()
			time.Sleep(50 * time.Millisecond)
		}
	}()
	c.healthy()
}

// healthy waits until the server takes events.
func (c *chaosRun) healthy() {
	c.t.Helper()
	c.wait(time.Minute, "the server takes events", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/services/collector/health", http.NoBody)
		if err != nil {
			return false
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

func (c *chaosRun) prepare() {
	c.wait(time.Minute, "the command line is answered", func() bool {
		_, _, code := c.run("status", "--json")
		return code == 0
	})
	c.token = c.inputToken("chaos")
}

// kill ends the server with signal 9. What is given is done before it starts
// again.
func (c *chaosRun) kill(meanwhile func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.killed = true
	_ = c.cmd.Process.Kill()
	c.mourn()
	if meanwhile != nil {
		meanwhile()
	}
}

// mourn waits until the process is gone, so that nothing writes any more.
func (c *chaosRun) mourn() {
	for range 1000 {
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid)); err != nil || strings.Contains(string(b), ") Z ") {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	c.t.Error("the server does not die")
}

// end stops the server for good.
func (c *chaosRun) end() {
	c.mu.Lock()
	done := c.ended
	c.ended = true
	if !done && c.cmd != nil {
		c.killed = true
		_ = c.cmd.Process.Signal(os.Interrupt)
	}
	c.mu.Unlock()
	if c.cmd == nil {
		return
	}
	select {
	case <-c.gone:
	case <-time.After(time.Minute):
		c.t.Error("the server does not end when it is told to")
		_ = c.cmd.Process.Kill()
		<-c.gone
	}
}

// round breaks one to three things while the senders send, and then looks for
// every event.
func (c *chaosRun) round(n int) {
	began := time.Now()
	stop := make(chan struct{})
	var fast atomic.Bool
	var sending sync.WaitGroup
	for name, send := range map[string]func(*shipper){
		"lines": (*shipper).lines, "more": (*shipper).lines, "curl": (*shipper).curl, "bulk": (*shipper).bulk,
		"hec": (*shipper).hec, "file": (*shipper).file, "logger": (*shipper).logger,
	} {
		sending.Go(func() { send(&shipper{c: c, name: name, round: n, stop: stop, fast: &fast}) })
	}
	faults := c.faults(&fast)
	var did []string
	for range 1 + c.r.IntN(3) {
		f := faults[c.r.IntN(len(faults))]
		c.moment(400)
		did = append(did, f.name+f.run())
	}
	c.moment(400)
	fast.Store(false)
	c.healthy()
	close(stop)
	sending.Wait()
	c.settled(n)
	c.t.Logf("round %d: %s; %.1f s, %d events sent so far", n, strings.Join(did, ", "), time.Since(began).Seconds(), len(c.book.ids))
}

// moment waits for a while of chance: when something breaks is the point.
func (c *chaosRun) moment(most int) {
	time.Sleep(time.Duration(c.r.IntN(most)) * time.Millisecond)
}

// writes are the calls by which bytes come to the disk. The server's answers and
// its log go by write as well.
var writes = []string{"fsync", "fdatasync", "pwrite64", "write", "ftruncate", "rename,renameat,renameat2", "unlink,unlinkat"}

// idOf finds an event's id in its raw record.
var idOf = regexp.MustCompile(`chaos\d+-[a-z]+-\d+`)

// found asks for all events whose records have a word, and counts them by id.
func (c *chaosRun) found(word string) map[string]int {
	c.t.Helper()
	out := filepath.Join(c.scratch, "found.ndjson")
	if _, said, code := c.run("query", word+" | project raw", "--from", "2000-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z", "--output", out); code != 0 {
		c.t.Logf("the query ended with %d: %s", code, said)
		return nil
	}
	f, err := os.Open(out)
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	got := map[string]int{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var row struct{ Raw string }
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			c.t.Fatal(err)
		}
		if id := idOf.FindString(row.Raw); id != "" {
			got[id]++
		}
	}
	return got
}

// settled waits until all that was acknowledged in a round is found, and reports
// what is missing or there twice.
func (c *chaosRun) settled(n int) {
	c.t.Helper()
	prefix := fmt.Sprintf("chaos%d-", n)
	c.compare("chaos"+strconv.Itoa(n), func(id string) bool { return strings.HasPrefix(id, prefix) })
}

func (c *chaosRun) compare(word string, ours func(string) bool) {
	c.t.Helper()
	var got map[string]int
	var lost []string
	for range 300 {
		got, lost = c.found(word), nil
		for id, f := range c.book.ids {
			if f == acked && got[id] == 0 && ours(id) {
				lost = append(lost, id)
			}
		}
		if got != nil && len(lost) == 0 {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	var doubled []string
	for id, n := range got {
		if n > 1 {
			doubled = append(doubled, id)
		}
	}
	slices.Sort(lost)
	slices.Sort(doubled)
	if len(lost)+len(doubled) > 0 {
		c.t.Errorf("%d acknowledged events are lost, %d are doubled: lost %.600q, doubled %.600q", len(lost), len(doubled), lost, doubled)
	}
	c.book.mu.Lock()
	defer c.book.mu.Unlock()
	if len(c.book.ill) > 0 {
		c.t.Errorf("answers that no sender expects: %q", c.book.ill)
		c.book.ill = nil
	}
}

// whole looks at everything once more, before and after a restart in peace.
func (c *chaosRun) whole() {
	c.kill(func() { c.off = 0 })
	c.healthy()
	c.compare("chaos", func(string) bool { return true })
	kinds, sure := map[string]int{}, 0
	got := c.found("chaos")
	lostSyslog := 0
	for id, f := range c.book.ids {
		name := strings.Split(id, "-")[1]
		kinds[name]++
		if f == acked {
			sure++
		}
		if name == "logger" && got[id] == 0 {
			lostSyslog++
		}
	}
	c.t.Logf("%d events sent, %d acknowledged, %d found; the server ended by itself %d times; syslog, which acknowledges nothing, lost %d of %d; by sender: %v",
		len(c.book.ids), sure, len(got), c.crashes, lostSyslog, kinds["logger"], kinds)
	for said, n := range c.lastWords() {
		c.t.Logf("ended %d times with: %s", n, said)
	}
	for _, r := range c.status().Ledger {
		if !r.Balanced() {
			c.t.Errorf("%+v does not add up", r)
		}
	}
	if out, said, code := c.run("store", "verify", "--deep"); code != 0 {
		c.t.Errorf("the store does not hold: %s %s", out, said)
	}
	if _, said, code := c.run("evidence", "verify"); code != 0 {
		c.t.Errorf("the evidence is damaged: %s", said)
	}
}

// lastWords are what the server said when it ended by itself.
func (c *chaosRun) lastWords() map[string]int {
	out := map[string]int{}
	log, err := os.ReadFile(c.log.Name())
	if err != nil {
		c.t.Error(err)
	}
	for line := range strings.Lines(string(log)) {
		if strings.HasPrefix(line, "holdfast: ") || strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			out[strings.TrimSpace(line)]++
		}
	}
	return out
}
