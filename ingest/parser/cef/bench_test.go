package cef_test

import (
	"fmt"
	"testing"
	"time"

	"holdfast/ingest/parser"
	"holdfast/ingest/parser/cef"
)

// BenchmarkParse reads a firewall's lines behind syslog's head.
func BenchmarkParse(b *testing.B) {
	lines := make([][]byte, 1000)
	size := 0
	for i := range lines {
		lines[i] = fmt.Appendf(nil, "<134>Nov 23 02:%02d:%02d fw1 CEF:0|Palo Alto Networks|PAN-OS|10.1.0|end|TRAFFIC|3|rt=Nov 23 2026 02:09:05 GMT src=192.0.2.%d dst=198.51.100.%d spt=%d dpt=443 suser=corp\\\\user%d act=allow app=ssl cs1Label=Rule cs1=allow all in=%d out=%d cn1Label=SessionID cn1=%d proto=tcp",
			i/60%60, i%60, i%250, i%200, 1024+i, i, i*7, i*13, i)
		size += len(lines[i])
	}
	p := cef.Parser()
	hint := parser.Hint{Received: time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)}
	b.SetBytes(int64(size / len(lines)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if _, err := p.Parse(lines[n%len(lines)], hint); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}
