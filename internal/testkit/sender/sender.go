// Package sender runs real programs that send events, for tests of ways in.
// What they are to send is the test's business.
package sender

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Find returns the path of a program. Without it the test is skipped, and
// fails where CI runs it.
func Find(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, name)
	}
	return path
}

// Missing skips the test for want of something that .ci/packages or make
// installs.
func Missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing; .ci/packages and make test install what the tests need", what)
	}
	t.Skipf("needs %s", what)
}

// Run runs a program to its end and returns what it printed.
func Run(t *testing.T, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(program), err, out)
	}
	return string(out)
}

// Node runs a script of ingest/input/testdata/senders.
func Node(t *testing.T, script string, args ...string) string {
	t.Helper()
	dir := filepath.Join("..", "testdata", "senders")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		Missing(t, "the senders of npm: cd ingest/input/testdata/senders && npm ci")
	}
	return Run(t, Find(t, "node"), append([]string{filepath.Join(dir, script)}, args...)...)
}
