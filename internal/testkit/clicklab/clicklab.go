// Package clicklab runs a server for a test that speaks ClickHouse's HTTP
// interface over ClickHouse 26 in-process, on a folder that outlives it, so that
// it can be killed and started again. What is asked of it is left to the test.
package clicklab

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"holdfast/internal/testkit/child"
)

// Server is the server.
type Server struct {
	Address string // host:port

	tb   testing.TB
	dir  string
	port string
	cmd  *exec.Cmd
	used int // databases
}

// databases is how many a server has.
const databases = 40

// Database is the address of a database that nobody has used yet.
func (s *Server) Database() string {
	s.tb.Helper()
	if s.used++; s.used > databases {
		s.tb.Fatal("clicklab: no more databases")
	}
	return "clickhouse://" + s.Address + "/" + "db" + strconv.Itoa(s.used)
}

// Start starts a server, or skips the test where ClickHouse is not installed.
func Start(tb testing.TB) *Server {
	tb.Helper()
	program := oracle(tb)
	if _, err := os.Stat(filepath.Join(program, "node_modules/chdb")); err != nil {
		const how = "ClickHouse is not there: run npm install --no-save --ignore-scripts in query/testdata/oracle (546 MB)"
		if os.Getenv("CI") != "" && os.Getenv("HOLDFAST_NO_CLICKHOUSE") == "" {
			tb.Fatal(how)
		}
		tb.Skip(how)
	}
	s := &Server{tb: tb, dir: tb.TempDir(), port: "0"}
	s.Start()
	tb.Cleanup(s.Kill)
	return s
}

// Start starts it again, at the same address.
func (s *Server) Start() {
	s.tb.Helper()
	c := exec.Command("node", "server.js", s.dir, s.port)
	c.Dir = oracle(s.tb)
	names := make([]string, databases)
	for i := range names {
		names[i] = "db" + strconv.Itoa(i+1)
	}
	c.Env = append(os.Environ(), `CLICKLAB_USERS={"default":"","keeper":"s3cret"}`, "CLICKLAB_DATABASES="+strings.Join(names, ","))
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err == nil {
		err = child.Start(c, syscall.SIGKILL)
	}
	if err != nil {
		s.tb.Fatalf("clicklab: %v", err)
	}
	s.cmd = c
	line, err := bufio.NewReader(out).ReadString('\n')
	port, ok := strings.CutPrefix(strings.TrimSpace(line), "port ")
	if !ok {
		s.tb.Fatalf("clicklab: it said %q: %v", line, err)
	}
	s.port, s.Address = port, "127.0.0.1:"+port
}

// Kill kills it with signal 9.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // it was killed
	s.cmd = nil
}

// oracle is the folder of the server's program.
func oracle(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "query/testdata/oracle")
		}
		up := filepath.Dir(dir)
		if up == dir {
			tb.Fatal("clicklab: no go.mod above")
		}
		dir = up
	}
}
