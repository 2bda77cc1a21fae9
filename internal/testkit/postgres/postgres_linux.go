// Package postgres runs a real PostgreSQL server for a test, in a temporary
// folder, on loopback, as a user without rights. What is kept in it is left to
// the test.
package postgres

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"holdfast/internal/testkit/child"
	"holdfast/internal/testkit/ports"
)

// Server is a running server.
type Server struct {
	URL string // of a database for the test alone

	tb      testing.TB
	bin     string
	dir     string
	port    int
	as      *syscall.Credential
	process *exec.Cmd
	log     bytes.Buffer
}

// Start starts a server that ends with the test. It skips the test when
// PostgreSQL is not installed, but fails it in CI.
func Start(tb testing.TB) *Server {
	tb.Helper()
	bin := find()
	if bin == "" {
		if os.Getenv("CI") != "" {
			tb.Fatal("PostgreSQL is missing; install postgresql-15")
		}
		tb.Skip("PostgreSQL is missing; install postgresql-15")
	}
	dir, err := os.MkdirTemp("", "holdfast-postgres")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	s := &Server{tb: tb, bin: bin, dir: filepath.Join(dir, "data"), as: nobody(tb, dir)}
	if out, err := s.command("initdb", "-D", s.dir, "-U", "holdfast", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C").CombinedOutput(); err != nil {
		tb.Fatalf("initdb: %v\n%s", err, out)
	}
	tb.Cleanup(s.Stop)
	s.Start()
	return s
}

func find() string {
	all, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(all) == 0 {
		return ""
	}
	return filepath.Dir(slices.Max(all))
}

// nobody is the user that the server runs as: it refuses to run as root.
func nobody(tb testing.TB, dir string) *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		tb.Fatal(err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		tb.Fatal(err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		tb.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(s.bin, name), args...)
	c.Dir = filepath.Dir(s.dir)
	c.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	return c
}

// Start starts the server again after Stop or Kill, on the port it had.
func (s *Server) Start() {
	s.tb.Helper()
	if s.port == 0 {
		s.port = ports.Free(s.tb)
		s.URL = fmt.Sprintf("postgres://holdfast@127.0.0.1:%d/postgres?sslmode=disable", s.port)
	}
	s.log.Reset()
	s.process = s.command("postgres", "-D", s.dir, "-p", strconv.Itoa(s.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
		"-c", "shared_buffers=16MB", "-c", "max_connections=100")
	s.process.Stdout, s.process.Stderr = &s.log, &s.log
	if err := child.Start(s.process, syscall.SIGINT); err != nil {
		s.tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for s.command("pg_isready", "-h", "127.0.0.1", "-p", strconv.Itoa(s.port), "-q").Run() != nil {
		select {
		case <-ctx.Done():
			s.Stop()
			s.tb.Fatalf("PostgreSQL did not start: %s", s.log.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop ends the server; what was committed is there at the next Start.
func (s *Server) Stop() { s.end(syscall.SIGINT) }

// Kill ends the server at once, as a loss of power to it would.
func (s *Server) Kill() { s.end(syscall.SIGQUIT) }

func (s *Server) end(sig syscall.Signal) {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Signal(sig)
	_ = s.process.Wait()
	s.process = nil
}
