package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast"
	"holdfast/internal/testkit/ports"
	"holdfast/spine"
)

// solo is the real server on loopback, alone with this host.
type solo struct {
	t    *testing.T
	bin  string
	data string
	url  string
	env  []string
	cred *syscall.Credential // nil for whoever runs the test
	args []string

	server *exec.Cmd
	done   chan struct{}
	log    *os.File
}

// newSolo prepares a server on a data folder; start starts it.
func newSolo(t *testing.T, data string, args ...string) *solo {
	t.Helper()
	if testing.Short() {
		t.Skip("a server of its own takes a while")
	}
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	listen := ports.Address(t)
	s := &solo{t: t, bin: filepath.Join(bin, "holdfast"), data: data, url: "http://" + listen, env: os.Environ()}
	s.args = append([]string{"up", "--listen", listen, "--agents", ports.Address(t)}, args...)
	if s.log, err = os.Create(filepath.Join(t.TempDir(), "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("what the server logged:\n%s", s.logged())
		}
		s.log.Close()
	})
	return s
}

func (s *solo) logged() string {
	b, err := os.ReadFile(s.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-6000):])
}

func (s *solo) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.bin, append([]string{"--data", s.data}, args...)...)
	cmd.Env = s.env
	if s.cred != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred}
	}
	return cmd
}

// start starts the server and waits until it answers.
func (s *solo) start() {
	s.t.Helper()
	s.server = s.command(context.Background(), s.args...)
	s.server.Stdout, s.server.Stderr = s.log, s.log
	if err := s.server.Start(); err != nil {
		s.t.Fatal(err)
	}
	done, server := make(chan struct{}), s.server
	s.done = done
	go func() {
		_ = server.Wait()
		close(done)
	}()
	s.wait(time.Minute, "the server answers", func() bool {
		select {
		case <-done:
			s.t.Fatal("the server has ended")
		default:
		}
		_, _, code := s.run("status", "--json")
		return code == 0 || code == exitBroken // it may say that it takes nothing in
	})
}

func (s *solo) stop() {
	if s.server == nil {
		return
	}
	_ = s.server.Process.Signal(os.Interrupt)
	select {
	case <-s.done:
	case <-time.After(time.Minute):
		s.t.Error("the server does not end when it is told to")
		_ = s.server.Process.Kill()
		<-s.done
	}
	s.server = nil
}

// run runs the command line to its end.
func (s *solo) run(args ...string) (out, errOut string, code int) {
	ctx, cancel := context.WithTimeout(context.Background(), 45*time.Second)
	defer cancel()
	cmd := s.command(ctx, args...)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		return "", err.Error(), -1
	}
	return o.String(), e.String(), code
}

// ask runs the command line with --json and reads its answer; exit code 3 (it
// does not hold) is an answer too.
func (s *solo) ask(into any, args ...string) {
	s.t.Helper()
	out, errOut, code := s.run(append(args, "--json")...)
	if code != 0 && code != exitBroken {
		s.t.Fatalf("holdfast %s ended with %d: %s", strings.Join(args, " "), code, errOut)
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		s.t.Fatalf("holdfast %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (s *solo) status() spine.Status {
	s.t.Helper()
	var st spine.Status
	s.ask(&st, "status")
	return st
}

func (s *solo) health() spine.Health {
	s.t.Helper()
	var h spine.Health
	s.ask(&h, "health")
	return h
}

// rows asks a query and reads one object a row.
func (s *solo) rows(args ...string) []map[string]any {
	s.t.Helper()
	out, errOut, code := s.run(append([]string{"query", "--json", "--limit", "10000"}, args...)...)
	if code != 0 {
		s.t.Fatalf("query %q ended with %d: %s", args, code, errOut)
	}
	var rows []map[string]any
	for dec := json.NewDecoder(strings.NewReader(out)); ; {
		var row map[string]any
		err := dec.Decode(&row)
		if errors.Is(err, io.EOF) {
			return rows
		}
		if err != nil {
			s.t.Fatalf("query %q: %v", args, err)
		}
		rows = append(rows, row)
	}
}

// ledger returns the row of a source whose name ends so.
func (s *solo) ledger(source string) holdfast.LedgerRow {
	s.t.Helper()
	for _, r := range s.status().Ledger {
		if strings.HasSuffix(r.Source, source) {
			return r
		}
	}
	return holdfast.LedgerRow{}
}

// inputToken makes a token that may send events.
func (s *solo) inputToken(name string) string {
	s.t.Helper()
	var out struct{ Secret string }
	s.ask(&out, "inputs", "token", name)
	if out.Secret == "" {
		s.t.Fatal("no token")
	}
	return out.Secret
}

// api asks the API with the token that the server left.
func (s *solo) api(path string, into any) {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.data, contactFile))
	if err != nil {
		s.t.Fatal(err)
	}
	var c contact
	if err := json.Unmarshal(b, &c); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/v1"+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %s", path, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		s.t.Fatal(err)
	}
}

// post sends lines to the HTTP input.
func (s *solo) post(token, key string, body []byte) (status int, retry, answer string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/ingest/v1/events", bytes.NewReader(body))
	if err != nil {
		return 0, "", err.Error()
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, "", err.Error()
	}
	return resp.StatusCode, resp.Header.Get("Retry-After"), string(b)
}

func (s *solo) wait(most time.Duration, what string, done func() bool) {
	s.t.Helper()
	for end := time.Now().Add(most); ; time.Sleep(100 * time.Millisecond) {
		if done() {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("after %s it is still not so: %s", most, what)
		}
	}
}

// write puts a file into the data folder.
func (s *solo) write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.data, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// follow makes a log file the only input of this host.
func (s *solo) follow(path string) {
	s.t.Helper()
	s.write("holdfast.yaml", "inputs:\n  - kind: file\n    where: "+path+"\n    options: {from: start}\n")
}

func needRoot(t *testing.T, what string) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("only root can " + what)
	}
	t.Skip("only root can " + what)
}

// kill ends the server as a crash does.
func (s *solo) kill() {
	if s.server == nil {
		return
	}
	_ = s.server.Process.Kill()
	<-s.done
	s.server = nil
}
