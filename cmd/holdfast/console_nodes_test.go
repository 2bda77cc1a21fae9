package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"holdfast/internal/testkit/natslab"
	"holdfast/internal/testkit/postgres"
)

// TestConsoleNodes looks at the page about health of a real cluster of three nodes,
// one of which was killed, in a real browser.
func TestConsoleNodes(t *testing.T) {
	if testing.Short() {
		t.Skip("seven programs and a browser take a while")
	}
	web := console(t)
	db, bus, shared := postgres.Start(t), natslab.Start(t, "TestNATSNode"), t.TempDir()
	node := func(role string) *solo {
		s := newSolo(t, filepath.Join(t.TempDir(), role), "--no-agent", "--state", db.URL, "--bus", bus.URL, "--events", shared, "--role", role)
		s.start()
		return s
	}
	serve, look := node("serve"), node("detect")
	node("ingest")
	gone, err := nodeID(filepath.Join(look.data, "node"))
	if err != nil {
		t.Fatal(err)
	}
	look.kill()
	serve.wait(60*time.Second, "a node is gone", func() bool {
		n := 0
		h := serve.health()
		for _, x := range h.Nodes {
			if x.Gone {
				n++
			}
		}
		return n == 1 && len(h.Nodes) == 3 && len(h.Troubles) > 0
	})
	said, err := os.ReadFile(serve.log.Name())
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`http://\S+/login#token=\S+`).Find(said)
	if link == nil {
		t.Fatal("the server printed no link to log in")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	browse(ctx, t, web, exec.CommandContext, "nodes", map[string]string{"HOLDFAST_URL": serve.url, "HOLDFAST_LOGIN": string(link), "HOLDFAST_GONE": gone})
}
