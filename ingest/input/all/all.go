// Package all lists every input that Holdfast ships, and which of them a host
// has without being asked.
package all

import (
	"os/exec"
	"path/filepath"

	"holdfast/ingest/input"
	"holdfast/ingest/input/elastic"
	"holdfast/ingest/input/file"
	"holdfast/ingest/input/hec"
	"holdfast/ingest/input/http"
	"holdfast/ingest/input/journald"
	"holdfast/ingest/input/kafka"
	"holdfast/ingest/input/nats"
	"holdfast/ingest/input/otlp"
	"holdfast/ingest/input/s3"
	"holdfast/ingest/input/syslog"
	"holdfast/internal/host"
)

// All lists them by name.
func All() []input.Input {
	return []input.Input{
		elastic.Input(), file.Input(), hec.Input(), http.Input(), journald.Input(), kafka.Input(), nats.Input(), otlp.Input(), s3.Input(), syslog.Input(),
	}
}

// Defaults returns the inputs for a host's own logs: its journal if systemd
// runs and keeps one, else the log files it has. A host that has none yet gets
// those of Debian, which are waited for.
func Defaults(h *host.Host) []input.Config {
	if journal(h) {
		return []input.Config{{Kind: "journald"}}
	}
	var out []input.Config
	for _, name := range []string{"/var/log/auth.log", "/var/log/syslog", "/var/log/secure", "/var/log/messages", "/var/log/system.log"} {
		if h.Exists(name) {
			out = append(out, input.Config{Kind: "file", Where: h.Path(name)})
		}
	}
	if len(out) == 0 && h.Exists("/var/log") {
		for _, name := range []string{"/var/log/auth.log", "/var/log/syslog"} {
			out = append(out, input.Config{Kind: "file", Where: h.Path(name)})
		}
	}
	return out
}

func journal(h *host.Host) bool {
	if !h.Exists("/run/systemd/system") {
		return false
	}
	if _, err := exec.LookPath("journalctl"); err != nil {
		return false
	}
	for _, dir := range []string{"/var/log/journal", "/run/log/journal"} {
		if files, _ := filepath.Glob(filepath.Join(h.Path(dir), "*", "*.journal")); len(files) > 0 {
			return true
		}
	}
	return false
}
