package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestConsole drives the real console, served by the real binary, in a real
// browser: login, every page in light and dark, search and the menu of values.
func TestConsole(t *testing.T) {
	if testing.Short() {
		t.Skip("the browser takes half a minute")
	}
	web, err := filepath.Abs("../../web")
	if err != nil {
		t.Fatal(err)
	}
	for _, need := range []string{filepath.Join(web, "dist", "index.html"), filepath.Join(web, "node_modules", ".bin", "playwright"), "/usr/bin/chromium"} {
		if _, err := os.Stat(need); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("this test needs %s; `make build` and the package chromium bring it", need)
			}
			t.Skipf("this test needs %s; `make build` and the package chromium bring it", need)
		}
	}
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	listen, agents := freePort(t), freePort(t)
	start := time.Now()
	server := exec.CommandContext(ctx, filepath.Join(bin, "holdfast"), "up", "--data", t.TempDir(), "--listen", listen, "--agents", agents)
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = server.Process.Signal(os.Interrupt)
		_ = server.Wait()
	}()
	link := ""
	for s := bufio.NewScanner(out); link == "" && s.Scan(); {
		if i := strings.Index(s.Text(), "http://"); i >= 0 {
			link = s.Text()[i:]
		}
	}
	t.Logf("the login link stands %s after the start of the process", time.Since(start).Round(time.Millisecond))
	shots := os.Getenv("HOLDFAST_SHOTS")
	if shots == "" {
		shots = t.TempDir()
	}
	cmd := exec.CommandContext(ctx, filepath.Join(web, "node_modules", ".bin", "playwright"), "test")
	cmd.Dir = web
	cmd.Env = append(os.Environ(), "HOLDFAST_URL=http://"+listen, "HOLDFAST_LOGIN="+link, "HOLDFAST_SHOTS="+shots, "CI=")
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said[max(0, len(said)-6000):])
	}
	t.Logf("%s", said)
}

func freePort(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return fmt.Sprint(ln.Addr())
}
