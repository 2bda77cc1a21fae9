// Package natslab runs a NATS cluster of three real server processes for a
// test, each with its own store on disk, so that one can be killed for good or
// for a while. What goes over it is left to the test.
package natslab

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"holdfast/internal/testkit/child"
	"holdfast/internal/testkit/ports"
)

const variable = "HOLDFAST_NATSLAB_NODE"

// nodes is how many servers there are.
const nodes = 3

// Cluster is the three servers.
type Cluster struct {
	URL string // for a client: all three

	tb      testing.TB
	configs [nodes]config
	running [nodes]*exec.Cmd
}

type config struct {
	Name, Dir          string
	Client, Route      int
	Routes             []string
	MaxPayload, Memory int64
}

// Serve is the body of a test of this name in the package that starts a
// cluster: its binary, run again, is a server. Otherwise it does nothing.
func Serve(t *testing.T) {
	text := os.Getenv(variable)
	if text == "" {
		return
	}
	var c config
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	o := &server.Options{
		ServerName: c.Name, Host: "127.0.0.1", Port: c.Client, JetStream: true, StoreDir: c.Dir, SyncAlways: true, NoSigs: true,
		MaxPayload: int32(c.MaxPayload), MaxPending: 4 * c.MaxPayload, JetStreamMaxMemory: c.Memory, JetStreamMaxStore: 1 << 40,
		Cluster: server.ClusterOpts{Name: "lab", Host: "127.0.0.1", Port: c.Route}, Routes: server.RoutesFromStr(strings.Join(c.Routes, ",")),
		LogFile: filepath.Join(c.Dir, "log"), Logtime: true,
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.ConfigureLogger()
	s.Start()
	s.WaitForShutdown()
}

// Start starts a cluster that ends with the test. The test binary has a test
// named test that calls Serve.
func Start(tb testing.TB, test string) *Cluster {
	tb.Helper()
	c := &Cluster{tb: tb}
	free := make([]int, 2*nodes)
	for i := range free {
		free[i] = ports.Free(tb)
	}
	var routes, clients []string
	for i := range nodes {
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", free[nodes+i]))
		clients = append(clients, fmt.Sprintf("127.0.0.1:%d", free[i]))
	}
	dir := tb.TempDir()
	for i := range nodes {
		c.configs[i] = config{
			Name: fmt.Sprintf("n%d", i), Dir: filepath.Join(dir, fmt.Sprint(i)), Client: free[i], Route: free[nodes+i], Routes: routes,
			MaxPayload: 64 << 20, Memory: 64 << 20,
		}
		if err := os.MkdirAll(c.configs[i].Dir, 0o700); err != nil {
			tb.Fatal(err)
		}
	}
	c.URL = "nats://" + strings.Join(clients, ",")
	tb.Cleanup(func() {
		for i := range nodes {
			c.Kill(i)
		}
	})
	for i := range nodes {
		c.Restart(i, test)
	}
	return c
}

// Kill ends a server with SIGKILL.
func (c *Cluster) Kill(i int) {
	if p := c.running[i]; p != nil {
		_ = p.Process.Kill()
		_ = p.Wait()
		c.running[i] = nil
	}
}

// Restart starts a server that was killed, on what is left of its store, and
// waits until clients are taken.
func (c *Cluster) Restart(i int, test string) {
	c.tb.Helper()
	text, err := json.Marshal(c.configs[i])
	if err != nil {
		c.tb.Fatal(err)
	}
	p := exec.Command(os.Args[0], "-test.run", "^"+test+"$", "-test.timeout", "10m")
	p.Env = append(os.Environ(), variable+"="+string(text))
	if err := child.Start(p, syscall.SIGKILL); err != nil {
		c.tb.Fatal(err)
	}
	c.running[i] = p
	for end := time.Now().Add(30 * time.Second); ; {
		conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", c.configs[i].Client), time.Second)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(end) {
			log, _ := os.ReadFile(filepath.Join(c.configs[i].Dir, "log"))
			c.tb.Fatalf("server %d did not start: %v\n%s", i, err, log)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Node returns the number of the server of a name, or -1.
func (c *Cluster) Node(name string) int {
	for i := range nodes {
		if c.configs[i].Name == name {
			return i
		}
	}
	return -1
}
