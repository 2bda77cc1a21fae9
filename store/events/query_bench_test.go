package events

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"holdfast"
	"holdfast/query"
)

// varied makes an event of 600 to 1,200 bytes as a week of a company has them:
// processes, connections and logins of 400 hosts, with values as skewed as real
// ones.
func varied(r *rand.Rand, i, of int) holdfast.Event {
	at := noon.Add(-7*24*time.Hour + time.Duration(float64(i)/float64(of)*7*24*float64(time.Hour)))
	host := fmt.Sprintf("host%03d", int(400*r.Float64()*r.Float64()))
	user := fmt.Sprintf("user%d", int(3000*r.Float64()*r.Float64()*r.Float64()))
	src, dst := fmt.Sprintf("10.%d.%d.%d", r.IntN(4), r.IntN(250), r.IntN(250)), fmt.Sprintf("198.51.%d.%d", r.IntN(100), int(250*r.Float64()*r.Float64()))
	var b strings.Builder
	for range 4 + r.IntN(14) {
		fmt.Fprintf(&b, " --%s=%x", []string{"path", "cache", "user", "session", "profile", "trace"}[r.IntN(6)], r.Uint64())
	}
	cmd := fmt.Sprintf(`C:\Program Files\App%d\app%d.exe%s`, r.IntN(200), r.IntN(40), b.String())
	if r.IntN(5000) == 0 {
		cmd = "powershell.exe -NoP -W Hidden -EncodedCommand " + strings.Repeat("SQBFAFgA", 20)
	}
	fields := []holdfast.Field{
		{Name: "EventID", Text: strconv.Itoa(1 + r.IntN(30)), Kind: holdfast.Number},
		{Name: "Computer", Text: host},
		{Name: "User", Text: user},
		{Name: "CommandLine", Text: cmd},
		{Name: "ProcessId", Text: strconv.Itoa(r.IntN(60000)), Kind: holdfast.Number},
		{Name: "SourceIp", Text: src},
		{Name: "DestinationIp", Text: dst},
		{Name: "bytes", Text: strconv.Itoa(r.IntN(1_000_000)), Kind: holdfast.Number},
		{Name: "hash", Text: fmt.Sprintf("%016x%016x%016x%016x", r.IntN(9000), r.IntN(9), 7, 9)},
	}
	raw := fmt.Appendf(nil, `{"ts":%q,"host":%q,"user":%q,"src":%q,"dst":%q,"cmd":%q,"pad":"%x"}`, at.Format(time.RFC3339Nano), host, user, src, dst, cmd, r.Uint64())
	return holdfast.Event{
		ID: holdfast.NewEventID("bench", strconv.Itoa(i), raw, 0), Time: at, Received: at, Source: "bench", Asset: host,
		Dataset: []string{"windows.sysmon", "zeek.conn", "linux.sshd", "web.access"}[int(4*r.Float64()*r.Float64())], Fields: fields, Raw: raw,
	}
}

// benchEvents is how many events the searches run over; 5000000 for the figures
// that are published.
func benchEvents() int {
	if n, err := strconv.Atoi(os.Getenv("HOLDFAST_BENCH_EVENTS")); err == nil && n > 0 {
		return n
	}
	return 50_000
}

// stocked is a store with the events of a week. HOLDFAST_BENCH_DIR keeps it for
// the next time.
func stocked(b *testing.B) *lab {
	b.Helper()
	dir, n := os.Getenv("HOLDFAST_BENCH_DIR"), benchEvents()
	if dir == "" {
		dir = b.TempDir()
	}
	l := open(b, dir)
	ctx := context.Background()
	if st, err := l.store.Stats(ctx); err == nil && st.Events > 0 {
		return l
	}
	w, err := l.store.NewWriter(ctx, func(e *holdfast.Event) []holdfast.Entity {
		return []holdfast.Entity{
			{Kind: holdfast.EntityHost, Value: e.Text("Computer")},
			{Kind: holdfast.EntityUser, Value: e.Text("User")},
			{Kind: holdfast.EntitySource, Value: e.Text("SourceIp")},
			{Kind: holdfast.EntityDestination, Value: e.Text("DestinationIp")},
			{Kind: holdfast.EntityHash, Value: e.Text("hash")},
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	const size = 20_000
	for from, seq := 0, uint64(1); from < n; from, seq = from+size, seq+1 {
		blk := &holdfast.Block{ID: fmt.Sprint(from)}
		for i := from; i < min(from+size, n); i++ {
			blk.Events = append(blk.Events, varied(r, i, n))
		}
		blk.Counts = []holdfast.Count{{Source: "bench", Received: uint64(len(blk.Events))}}
		if err := w.Add(ctx, seq, blk); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Flush(ctx); err != nil {
		b.Fatal(err)
	}
	return l
}

// BenchmarkSearch runs what analysts ask for, as written and as planned.
func BenchmarkSearch(b *testing.B) {
	l := stocked(b)
	for _, c := range []struct{ name, q string }{
		{"needle", `events | where source.ip == "10.1.7.9"`},
		{"needle hash", `file.hash.sha256:0000000000000011000000000000000300000000000000070000000000000009`},
		{"or of two columns", `events | where source.ip == "10.1.7.9" or destination.ip == "198.51.7.9"`},
		{"or counted", `events | where source.ip == "10.1.7.9" or destination.ip == "198.51.7.9" | count`},
		{"in", `events | where source.ip in ("10.1.7.9", "10.2.8.10", "10.0.0.1")`},
		{"command line contains", `events | where CommandLine contains "encodedcommand" | summarize count() by host.name`},
		{"raw contains", `encodedcommand | count`},
		{"last 100 of a host", `events | where host.name == "host042" | order by time desc | take 100`},
		{"newest 200", ``},
		{"newest 200 of a text", `encodedcommand`},
		{"histogram", `events | summarize count() by bin(time, 1h)`},
		{"top 10", `events | summarize n=count() by user.name | top 10 by n`},
		{"distinct over 7 days", `events | summarize dcount(source.ip)`},
	} {
		for _, plain := range []bool{true, false} {
			name := c.name + "/planned"
			if plain {
				name = c.name + "/written"
			}
			b.Run(name, func(b *testing.B) {
				q, err := query.Parse(c.q, noon)
				if err != nil {
					b.Fatal(err)
				}
				span := query.Range{From: noon.AddDate(0, 0, -8), To: noon}
				st, err := query.CompileWith(q, query.Options{Range: span, MaxRows: 200, Plain: plain})
				if err != nil {
					b.Fatal(err)
				}
				if !plain && len(st.Rewrites) == 0 {
					b.Skip("nothing is rewritten")
				}
				rows := 0
				for b.Loop() {
					r, err := l.store.Query(context.Background(), Statement{SQL: st.SQL, Args: st.Args, From: span.From, To: span.To, MaxRows: 200})
					if err != nil {
						b.Fatal(err)
					}
					rows = len(r.Rows)
				}
				b.ReportMetric(float64(rows), "rows")
			})
		}
	}
}
