package frame_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"holdfast/ingest/frame"
)

// through gives the lines of a file to the framer that it calls for.
func through(tb testing.TB, text string) (records, faults []string) {
	tb.Helper()
	f := frame.For([]byte(text))
	if f == nil {
		tb.Fatalf("%.40q: no framer", text)
	}
	emit := func(rec []byte) { records = append(records, string(rec)) }
	for line := range strings.SplitSeq(text, "\n") {
		f.Line([]byte(line), emit)
	}
	f.End(emit)
	return records, f.Faults()
}

func TestZeekHeaderChanges(t *testing.T) {
	a := "#separator \\x09\n#path\ta\n#fields\tx\n#types\tstring"
	b := "#separator \\x09\n#path\tb\n#fields\ty\n#types\tcount"
	got, faults := through(t, a+"\n#open\t2026\n1\n2\n#close\t2026\n"+b+"\n3\r\n")
	want := []string{a + "\n1", a + "\n2", b + "\n3"}
	if !slices.Equal(got, want) || len(faults) > 0 {
		t.Errorf("%q, %q", got, faults)
	}
}

func TestW3CHeaderChanges(t *testing.T) {
	got, faults := through(t, "#Software: IIS\nearly\n#Fields: a b\n#Date: 2026-11-23\n1 2\n#Fields: c\n3\n")
	want := []string{"#Date: 2026-11-23\n#Fields: a b\n1 2", "#Date: 2026-11-23\n#Fields: c\n3"}
	if !slices.Equal(got, want) || len(faults) != 1 {
		t.Errorf("%q, %q", got, faults)
	}
}

func audit(kind string, n int, rest string) string {
	return fmt.Sprintf("type=%s msg=audit(1795399746.123:%d): %s", kind, n, rest)
}

// TestAuditMixed has the records of two events one between the other, and the
// first the parent of the second.
func TestAuditMixed(t *testing.T) {
	a := []string{audit("SYSCALL", 1, `syscall=59 success=yes ppid=1 pid=10 exe="/usr/sbin/x y"`), audit("EXECVE", 1, `argc=1 a0="x"`), audit("PROCTITLE", 1, "proctitle=78")}
	b := []string{audit("SYSCALL", 2, `syscall=59 success=yes ppid=10 pid=11 exe="/bin/sh"`), audit("EXECVE", 2, `argc=1 a0="sh"`), audit("EOE", 2, "")}
	lone := audit("USER_CMD", 3, "pid=1")
	got, faults := through(t, strings.Join([]string{a[0], b[0], a[1], lone, a[2], b[1], b[2]}, "\n"))
	parent := `type=PARENT msg=audit(1795399746.123:1): exe="/usr/sbin/x y" proctitle=78`
	for _, want := range []string{strings.Join(a, "\n"), b[0] + "\n" + b[1] + "\n" + parent, lone, a[0], b[1]} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if len(got) != 9 || len(faults) > 0 {
		t.Errorf("%d records, %q", len(got), faults)
	}
}

// TestAuditBounds opens more events than are kept, and one with too many records.
func TestAuditBounds(t *testing.T) {
	var lines []string
	for i := range 400 {
		lines = append(lines, audit("SYSCALL", i, "pid=1"), audit("EXECVE", i, `a0="x"`))
	}
	for range 300 {
		lines = append(lines, audit("PATH", 399, "nametype=CREATE"))
	}
	got, faults := through(t, strings.Join(lines, "\n"))
	if want := len(lines) + 400; len(got) != want || len(faults) != 1 {
		t.Errorf("%d records, want %d; %q", len(got), want, faults)
	}
}

func TestNoFramer(t *testing.T) {
	for _, text := range []string{"", "one\ntwo", `{"a":1}`, "# a comment\n", "Nov 23 10:15:04 h sshd[1]: msg=audit(x"} {
		if frame.For([]byte(text)) != nil {
			t.Errorf("%q has a framer", text)
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("#separator \\x09\n#fields\tx\n1\n#fields\ty\n2"))
	f.Add([]byte("#Fields: a\n1\n#Date: x\n2"))
	f.Add([]byte(audit("SYSCALL", 1, `pid=1 ppid=1 exe="`) + "\n" + audit("EXECVE", 1, "") + "\n" + audit("EOE", 1, "")))
	f.Fuzz(func(t *testing.T, b []byte) {
		fr := frame.For(b)
		if fr == nil {
			return
		}
		total := 0
		emit := func(rec []byte) { total += len(rec) }
		n := 0
		for line := range bytes.SplitSeq(b, []byte("\n")) {
			fr.Line(line, emit)
			if n++; fr.Held() > n {
				t.Fatalf("%d of %d lines are held", fr.Held(), n)
			}
		}
		fr.End(emit)
		if fr.Held() != 0 {
			t.Errorf("%d lines are held at the end", fr.Held())
		}
		fr.Faults()
		if lines := bytes.Count(b, []byte("\n")) + 1; total > (lines+1)*(len(b)+1)*3 {
			t.Errorf("%d bytes of %d", total, len(b))
		}
	})
}
