package elastic_test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/ingest/input/elastic"
	"holdfast/internal/testkit/sender"
	"holdfast/internal/testkit/sink"
)

func serve(t *testing.T, s *sink.Sink) string {
	t.Helper()
	server := httptest.NewServer(elastic.Handler(s.Gate()))
	t.Cleanup(server.Close)
	return server.URL
}

func TestCurl(t *testing.T) {
	curl := sender.Find(t, "curl")
	s := &sink.Sink{}
	out := sender.Run(t, curl, "-sS", "-u", "holdfast:"+sink.Token, serve(t, s)+"/elastic/_bulk", "-H", "Content-Type: application/x-ndjson", "--data-binary", beats)
	if !strings.Contains(out, `"errors":false`) || len(s.Records()) != 2 {
		t.Errorf("%d records: %s", len(s.Records()), out)
	}
}

// TestOfficialClient checks the product, and parts a thousand documents into
// requests packed by gzip.
func TestOfficialClient(t *testing.T) {
	s := &sink.Sink{}
	out := sender.Node(t, "elastic.mjs", serve(t, s)+"/elastic", sink.Token, "1000")
	if strings.TrimSpace(out) != `{"version":"8.19.0","successful":1000,"failed":0,"retry":0}` {
		t.Error(out)
	}
	seen := map[string]bool{}
	for _, raw := range s.Raws() {
		seen[raw] = true
	}
	if len(s.Records()) != 1000 || len(seen) != 1000 || s.Records()[0].Dataset != "app" {
		t.Errorf("%d records, %d of them different", len(s.Records()), len(seen))
	}
}

// TestRsyslog takes what rsyslog's module for Elasticsearch sends, without a
// path before the API.
func TestRsyslog(t *testing.T) {
	program := sender.Find(t, "rsyslogd")
	modules, _ := filepath.Glob(filepath.Join(filepath.Dir(program), "..", "lib", "*", "rsyslog", "omelasticsearch.so"))
	if len(modules) == 0 {
		sender.Missing(t, "rsyslog-elasticsearch")
	}
	s := &sink.Sink{}
	dir := t.TempDir()
	from := filepath.Join(dir, "app.log")
	var lines strings.Builder
	for i := range 20 {
		fmt.Fprintf(&lines, "hello %d from \"rsyslog\"\n", i)
	}
	if err := os.WriteFile(from, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	server := strings.TrimPrefix(serve(t, s), "http://")
	config := fmt.Sprintf(`global(workDirectory=%q)
module(load="imfile")
module(load="omelasticsearch")
template(name="doc" type="list" option.jsonf="on") {
  property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="program" name="programname" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
}
input(type="imfile" file=%q tag="app:")
action(type="omelasticsearch" server=%q uid="holdfast" pwd=%q searchIndex="syslog-app" searchType="" template="doc" bulkmode="on" errorfile=%q)
`, dir, from, server, sink.Token, filepath.Join(dir, "errors"))
	file := filepath.Join(dir, "rsyslog.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-n", "-f", file, "-i", filepath.Join(dir, "pid"), "-M", filepath.Dir(modules[0]))
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ours := func() (n int) {
		for _, raw := range s.Raws() {
			if strings.Contains(raw, `from \"rsyslog\"`) {
				n++
			}
		}
		return n
	}
	for end := time.Now().Add(time.Minute); ours() < 20 && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond) // between looks
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	errors, _ := os.ReadFile(filepath.Join(dir, "errors"))
	if ours() != 20 {
		t.Errorf("%d of 20 came: %s%s", ours(), said.String(), errors)
	}
}
