package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"holdfast"
	"holdfast/internal/testkit/ports"
)

// TestConsole drives the real console, served by the real binary, in a real
// browser: login, every page in light and dark, search and the menu of values,
// then the search page over events that are sent as a shipper sends them.
func TestConsole(t *testing.T) {
	if testing.Short() {
		t.Skip("the browser takes half a minute")
	}
	web := console(t)
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Minute)
	defer cancel()
	listen, agents, syslog, data := ports.Address(t), ports.Address(t), ports.Address(t), t.TempDir()
	start := time.Now()
	server := exec.CommandContext(ctx, filepath.Join(bin, "holdfast"), "up", "--data", data, "--listen", listen, "--agents", agents, "--syslog", syslog, "--health", "quiet:syslog:*=1s", "--retention", "linux.sshd=90d")
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
	unwell(ctx, t, filepath.Join(bin, "holdfast"), data, "http://"+listen, syslog)
	said, err := exec.CommandContext(ctx, filepath.Join(bin, "holdfast"), "--data", data, "inputs", "token", "console", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var token struct{ Secret string }
	if err := json.Unmarshal(said, &token); err != nil || token.Secret == "" {
		t.Fatalf("%v: %s", err, said)
	}
	env := map[string]string{"HOLDFAST_URL": "http://" + listen, "HOLDFAST_LOGIN": link, "HOLDFAST_INPUT": token.Secret}
	shots := os.Getenv("HOLDFAST_SHOTS")
	if shots == "" {
		shots = t.TempDir()
	}
	env["HOLDFAST_SHOTS"] = shots // with the session that the first leaves for the second
	browse(ctx, t, web, exec.CommandContext, "console", env)
	browse(ctx, t, web, exec.CommandContext, "search", env)
}

// unwell gives the page about health something to show: a sender that goes quiet,
// and a record that no parser can read.
func unwell(ctx context.Context, t *testing.T, bin, data, url, syslog string) {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", syslog)
	for end := time.Now().Add(time.Minute); err != nil; time.Sleep(100 * time.Millisecond) { // it listens a moment after the link stands
		if time.Now().After(end) {
			t.Fatal(err)
		}
		c, err = d.DialContext(ctx, "tcp", syslog)
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "<38>%s web1 sshd[4022]: Failed password for root from 192.0.2.7 port 4022 ssh2\n", time.Now().UTC().Format(time.Stamp)); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(ctx, bin, "--data", data, "inputs", "token", "shipper", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var token struct{ Secret string }
	if err := json.Unmarshal(out, &token); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/ingest/v1/events", strings.NewReader("\x01\x02 nothing that anybody knows\n"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token.Secret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
}

// TestConsoleStory is a person's part of the story, in a real browser: the
// attack has happened on real hosts, and everything after it is clicked.
func TestConsoleStory(t *testing.T) {
	if testing.Short() {
		t.Skip("the browser and the lab take a minute")
	}
	web := console(t)
	w := newWorld(t, "")
	w.attack()
	w.successRaises()
	w.wait(time.Minute, "block-address is proposed and planned", func() bool {
		_, ok := w.action("action/block-address", holdfast.Planned)
		return ok
	})
	var second struct{ Link string }
	w.cli(&second, "users", "add", "second", "--role", "architect")
	said, err := os.ReadFile(w.log.Name())
	if err != nil {
		t.Fatal(err)
	}
	first := regexp.MustCompile(`http://\S+/login#token=\S+`).Find(said)
	if first == nil {
		t.Fatal("the server printed no link to log in")
	}
	origin, _, _ := strings.Cut(string(first), "/login#")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	browse(ctx, t, web, w.lab.Management.Command, "story", map[string]string{
		"HOLDFAST_URL": origin, "HOLDFAST_LOGIN": string(first), "HOLDFAST_SECOND": second.Link, "HOLDFAST_ATTACKER": w.lab.Attacker.Addr.String(),
	})
	act, ok := w.action("action/block-address", holdfast.Undone)
	if !ok || act.Proof == nil || !act.Proof.Holds || act.UndoProof == nil || !act.UndoProof.Holds || act.ApprovedBy != "admin" || act.UndoneBy != "admin" {
		t.Errorf("what was clicked did not happen: %+v", act)
	}
	in := w.incidents()[0]
	if in.Status != holdfast.IncidentClosed || in.Override == nil || in.Override.AskedBy != "admin" || in.Override.GrantedBy != "second" || len(in.Override.Open) == 0 {
		t.Errorf("the incident is %s, override %+v", in.Status, in.Override)
	}
	w.evidenceHolds()
}

// console returns the folder of the console, or skips the test, in CI fails it,
// where the console is not built or there is no browser.
func console(t *testing.T) string {
	t.Helper()
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
	return web
}

// browse runs one of the console's browser tests. HOLDFAST_SHOTS names a folder
// that keeps its pictures.
func browse(ctx context.Context, t *testing.T, web string, command func(context.Context, string, ...string) *exec.Cmd, spec string, env map[string]string) {
	t.Helper()
	shots := os.Getenv("HOLDFAST_SHOTS")
	if shots == "" {
		shots = t.TempDir()
	}
	cmd := command(ctx, "env", "-C", web, filepath.Join(web, "node_modules", ".bin", "playwright"), "test", "--output", filepath.Join(shots, "results"), spec+".spec.ts")
	cmd.Env = append(os.Environ(), "HOLDFAST_SHOTS="+shots, "CI=")
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said[max(0, len(said)-20000):])
	}
	t.Logf("%s", said)
}
