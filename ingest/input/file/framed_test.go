package file_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/ingest/frame"
)

const zeekA = "#separator \\x09\n#path\tconn\n#fields\tts\tuid\n#types\ttime\tstring"

func audit(kind string, n int, rest string) string {
	return fmt.Sprintf("type=%s msg=audit(1795399746.123:%d): %s", kind, n, rest)
}

// tables are files whose lines need each other.
func tables() map[string][]string {
	var started []string
	for i := range 6 {
		started = append(
			started,
			audit("SYSCALL", i, fmt.Sprintf(`syscall=59 success=yes ppid=%d pid=%d exe="/bin/%d"`, 9+i, 10+i, i)),
			audit("EXECVE", i, fmt.Sprintf(`argc=1 a0="%d"`, i)),
			audit("USER_CMD", 100+i, "pid=1"),
			audit("PROCTITLE", i, "proctitle=78"),
		)
	}
	mixed := slices.Clone(started)
	mixed[3], mixed[4] = mixed[4], mixed[3] // the second event begins before the first ends
	return map[string][]string{
		"zeek":  append(strings.Split(zeekA, "\n"), "#open\t2026", "1\ta", "2\tb", "#close\t2026", "#separator \\x09", "#path\tdns", "#fields\tq", "#types\tstring", "x", "y"),
		"w3c":   {"#Software: IIS", "#Fields: a b", "1 2", "3 4", "#Software: IIS", "#Date: 2026-11-23", "#Fields: c", "5", "6"},
		"audit": started, "mixed audit": mixed,
	}
}

func framedBy(lines []string) (out []string) {
	f := frame.For([]byte(strings.Join(lines, "\n")))
	emit := func(b []byte) { out = append(out, string(b)) }
	for _, l := range lines {
		f.Line([]byte(l), emit)
	}
	f.End(emit)
	return out
}

// TestFramedOverRestarts writes a file line by line, and has the input begin
// anew after each: from where it was, and from where it was a line before, as
// after a crash that came before the position was saved.
func TestFramedOverRestarts(t *testing.T) {
	for name, lines := range tables() {
		for _, crash := range []bool{false, true} {
			t.Run(fmt.Sprint(name, crash), func(t *testing.T) {
				t.Parallel()
				log := filepath.Join(t.TempDir(), "x.log")
				h := newHost()
				key := "file:" + log
				for i := range lines {
					before, had := h.Load(key)
					add(t, log, lines[i]+"\n")
					stop := h.start(t, log, nil)
					waitFor(t, "the position", func() bool { s, _ := h.Load(key); return strings.Contains(s, fmt.Sprintf(`"off":%d,`, size(t, log))) })
					stop()
					if crash && had {
						if err := h.Save(key, before); err != nil {
							t.Fatal(err)
						}
						stop := h.start(t, log, nil)
						waitFor(t, "the position again", func() bool { s, _ := h.Load(key); return strings.Contains(s, fmt.Sprintf(`"off":%d,`, size(t, log))) })
						stop()
					}
				}
				want := framedBy(lines)
				slices.Sort(want)
				got := h.distinct()
				slices.Sort(got)
				if d := cmp.Diff(want, got); d != "" {
					t.Error(d)
				}
			})
		}
	}
}

func size(t *testing.T, name string) int64 {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// TestFramedBackfill begins in the middle of a file: the header is found.
func TestFramedBackfill(t *testing.T) {
	log := filepath.Join(t.TempDir(), "conn.log")
	add(t, log, zeekA+"\n1\ta\n2\tb\n3\tc\n")
	h := newHost()
	h.start(t, log, map[string]string{"backfill": "6"})
	h.expect(t, zeekA+"\n3\tc")
	add(t, log, "4\td\n")
	h.expect(t, zeekA+"\n3\tc", zeekA+"\n4\td")
}

// TestAuditIsNotWaitedForForever has an event without its last record.
func TestAuditIsNotWaitedForForever(t *testing.T) {
	log := filepath.Join(t.TempDir(), "audit.log")
	lines := []string{audit("SYSCALL", 1, `pid=1 ppid=0 exe="/bin/a"`), audit("EXECVE", 1, `argc=1 a0="a"`)}
	add(t, log, strings.Join(lines, "\n")+"\n")
	h := newHost()
	stop := h.start(t, log, nil)
	want := append(slices.Clone(lines), strings.Join(lines, "\n"))
	h.expect(t, want...)
	stop()
	h.start(t, log, nil)
	add(t, log, "type=LATE msg=audit(1795399746.123:2): x=1\n")
	h.expect(t, append(want, "type=LATE msg=audit(1795399746.123:2): x=1")...)
}

// TestParentBeforeRestartAndRotation knows what a parent runs that was started
// in the file of before.
func TestParentBeforeRestartAndRotation(t *testing.T) {
	log := filepath.Join(t.TempDir(), "audit.log")
	event := func(n, pid, ppid int) string {
		return audit("SYSCALL", n, fmt.Sprintf(`syscall=59 ppid=%d pid=%d exe="/bin/%d"`, ppid, pid, pid)) + "\n" + audit("EXECVE", n, `argc=1 a0="a"`) + "\n" + audit("PROCTITLE", n, "proctitle=78") + "\n"
	}
	add(t, log, event(1, 10, 1))
	h := newHost()
	stop := h.start(t, log, nil)
	waitFor(t, "the first event", func() bool { return len(h.lines()) == 4 })
	stop()
	h.start(t, log, nil)
	add(t, log, event(2, 11, 10))
	waitFor(t, "the second event", func() bool { return len(h.lines()) == 8 })
	move(t, log, log+".1")
	add(t, log, event(3, 12, 11))
	waitFor(t, "the third event", func() bool { return len(h.lines()) == 12 })
	for i, parent := range map[int]string{7: "/bin/10", 11: "/bin/11"} {
		if got := h.lines()[i]; !strings.Contains(got, `type=PARENT`) || !strings.Contains(got, parent) {
			t.Errorf("record %d has no parent %s: %q", i, parent, got)
		}
	}
}

// TestAuditEventOverRotation has a file renamed in the middle of an event.
func TestAuditEventOverRotation(t *testing.T) {
	log := filepath.Join(t.TempDir(), "audit.log")
	lines := []string{audit("SYSCALL", 1, `pid=1 ppid=0 exe="/bin/a"`), audit("EXECVE", 1, `argc=1 a0="a"`), audit("PROCTITLE", 1, "proctitle=61")}
	add(t, log, lines[0]+"\n")
	h := newHost()
	h.start(t, log, nil)
	h.expect(t, lines[0])
	move(t, log, log+".1")
	add(t, log, lines[1]+"\n"+lines[2]+"\n")
	h.expect(t, append(lines, strings.Join(lines, "\n"))...)
}
