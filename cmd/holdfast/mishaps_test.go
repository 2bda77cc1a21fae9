package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"holdfast/internal/host"
	"holdfast/internal/testkit/chaos"
)

type mishap struct {
	name string
	run  func() string // what it chose
}

func (c *chaosRun) faults(fast *atomic.Bool) []mishap {
	return []mishap{
		{"kill", func() string { c.kill(nil); return "" }},
		{"kill twice", func() string { c.kill(nil); c.moment(1500); c.kill(nil); return "" }},
		{"kill at a write", c.killAtWrite},
		{"disk full", c.full},
		{"disk fails", c.fails},
		{"disk slow", c.slow},
		{"torn write", c.torn},
		{"clock", c.jump},
		{"burst", func() string { fast.Store(true); c.moment(1500); return "" }},
	}
}

// inject does something to the server's system calls for a while. Fatal says that
// it is to die of it.
func (c *chaosRun) inject(calls, how string, most int, fatal bool) string {
	c.mu.Lock()
	pid := c.cmd.Process.Pid
	c.killed = fatal
	c.mu.Unlock()
	i, err := chaos.Inject(pid, calls, how)
	if err != nil {
		return " (" + err.Error() + ")" // it was killed just now, by an earlier fault
	}
	said := fmt.Sprintf(" (%s %s)", calls, how)
	select {
	case <-time.After(time.Duration(200+c.r.IntN(most)) * time.Millisecond):
	case <-i.Ended():
		return said
	}
	i.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd.Process.Pid == pid {
		c.killed = false // it lives on
	}
	return said
}

func (c *chaosRun) killAtWrite() string {
	return c.inject(writes[c.r.IntN(len(writes))], fmt.Sprintf("signal=KILL:when=%d", 1+c.r.IntN(12)), 1500, true)
}

func (c *chaosRun) slow() string {
	return c.inject("fsync,fdatasync", fmt.Sprintf("delay_enter=%dms", 20+c.r.IntN(600)), 2000, false)
}

// fails has some writes or syncs of the server fail, as a disk does that is
// about to die, or that is full for one file and not for another.
func (c *chaosRun) fails() string {
	first := 1 + c.r.IntN(10)
	calls := []string{"fsync", "fdatasync", "pwrite64", "ftruncate", "rename,renameat,renameat2"}[c.r.IntN(5)]
	return c.inject(calls, fmt.Sprintf("error=%s:when=%d..%d", []string{"EIO", "ENOSPC"}[c.r.IntN(2)], first, first+c.r.IntN(5)), 1500, false)
}

// full leaves less than the reserve, or not a byte.
func (c *chaosRun) full() string {
	leave := []uint64{0, 4 << 20, 30 << 20}[c.r.IntN(3)]
	name := filepath.Join(c.disk, "ballast")
	f, err := os.Create(name)
	if err != nil {
		c.t.Error(err)
		return ""
	}
	defer f.Close()
	chunk := make([]byte, 64<<10)
	for range 640 << 20 / len(chunk) {
		free, _, err := host.Disk(c.disk)
		if err != nil || free <= leave {
			break
		}
		if _, err := f.Write(chunk[:min(uint64(len(chunk)), free-leave)]); err != nil {
			break
		}
	}
	c.moment(1500)
	if c.r.IntN(3) == 0 {
		c.kill(nil) // and has to start with no room
		c.moment(1000)
	}
	if err := os.Remove(name); err != nil {
		c.t.Error(err)
	}
	return fmt.Sprintf(" (%d MiB left)", leave>>20)
}

// torn kills the server and leaves at the ends of its files what a power cut
// leaves of the write that would have come next.
func (c *chaosRun) torn() string {
	said := ""
	c.kill(func() {
		for _, pattern := range []string{
			filepath.Join(c.data, "bus", "jetstream", "*", "streams", "*", "msgs", "*.blk"),
			filepath.Join(c.data, "agent", "spool", "*.seg"),
			filepath.Join(c.data, "*.db-wal"),
			filepath.Join(c.data, "events", "*.tmp"),
		} {
			name := chaos.Newest(pattern)
			if name == "" || c.r.IntN(2) == 0 {
				continue
			}
			what, err := chaos.Tear(c.r, name)
			if err != nil {
				c.t.Error(err)
			}
			said += fmt.Sprintf(" (%s behind %s)", what, filepath.Base(name))
		}
	})
	return said
}

// jump sets the server's clock, by up to three days in either direction.
func (c *chaosRun) jump() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off = time.Duration(c.r.IntN(2*72*60)-72*60) * time.Minute
	if c.r.IntN(3) == 0 {
		c.off = 0
	}
	if err := c.clock.Set(c.off); err != nil {
		return " (not possible here)"
	}
	return fmt.Sprintf(" (%s)", c.off)
}
