package file_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/ingest/input/file"
	"holdfast/internal/clock"
)

// count takes records and reports when all are there.
type count struct {
	*host
	left int
	done func()
}

func (c *count) Put(_ context.Context, r []holdfast.Record) error {
	if c.left -= len(r); c.left <= 0 {
		c.done()
	}
	return nil
}

// BenchmarkFollow reads a file of 200,000 lines from its start: plain lines, a
// table, and audit events of five records.
func BenchmarkFollow(b *testing.B) {
	const lines = 200_000
	for _, kind := range []string{"lines", "zeek", "audit"} {
		b.Run(kind, func(b *testing.B) {
			var text bytes.Buffer
			records := lines
			if kind == "zeek" {
				text.WriteString(zeekA + "\n")
			}
			for i := range lines {
				switch kind {
				case "lines":
					fmt.Fprintf(&text, "Nov 23 02:%02d:%02d web%d sshd[%d]: Failed password for root from 192.0.2.%d port %d ssh2\n", i/60%60, i%60, i%9, i, i%250, 1024+i%60000)
				case "zeek":
					fmt.Fprintf(&text, "%d.5\tC%d\n", 1795399746+i, i)
				case "audit":
					n := i / 5
					text.WriteString([]string{
						audit("SYSCALL", n, fmt.Sprintf(`arch=c000003e syscall=59 success=yes exit=0 a0=55 a1=56 items=2 ppid=%d pid=%d auid=1000 uid=0 comm="x" exe="/usr/bin/x%d" key="exec"`, n, n+1, n)),
						audit("EXECVE", n, `argc=3 a0="x" a1="-c" a2=6563686F206869`), audit("CWD", n, `cwd="/home/anna"`),
						audit("PATH", n, `item=0 name="/usr/bin/x" inode=12 nametype=NORMAL`), audit("PROCTITLE", n, "proctitle=78002D63"),
					}[i%5] + "\n")
				}
			}
			if kind == "audit" {
				records += lines / 5
			}
			log := filepath.Join(b.TempDir(), "x.log")
			if err := os.WriteFile(log, text.Bytes(), 0o600); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(text.Len()))
			for b.Loop() {
				ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
				c := &count{host: newHost(), left: records, done: cancel}
				env := input.Env{Sink: c, Positions: c, Log: slog.New(slog.DiscardHandler), Clock: clock.System{}}
				if err := file.Input().Run(ctx, input.Config{Where: log, Options: map[string]string{"from": "start"}}, env); err != nil {
					b.Fatal(err)
				}
				if c.left > 0 {
					b.Fatalf("%d records are missing", c.left)
				}
			}
			b.ReportMetric(float64(b.N*lines)/b.Elapsed().Seconds(), "lines/s")
		})
	}
}
