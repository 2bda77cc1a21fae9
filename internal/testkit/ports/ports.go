// Package ports finds ports of loopback for servers that a test starts and starts
// again. They lie below those that systems give to outgoing connections (from
// 32768 on Linux, from 49152 elsewhere, RFC 6335 section 6), so that none of those
// takes one while its server is away.
package ports

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

const first, beyond = 20_000, 32_000

var (
	mu    sync.Mutex
	given = map[int]bool{}
)

// Free returns a port of 127.0.0.1 on which nothing listens, neither over TCP nor
// over UDP. It gives none twice in a process; another process that asks at the
// same time hardly ever gets the same.
func Free(tb testing.TB) int {
	tb.Helper()
	mu.Lock()
	defer mu.Unlock()
	for range 200 {
		port := first + rand.IntN(beyond-first)
		if !given[port] && silent(port) {
			given[port] = true
			return port
		}
	}
	tb.Fatalf("no port from %d to %d is free", first, beyond-1)
	return 0
}

// Address returns 127.0.0.1 with a port that Free found.
func Address(tb testing.TB) string {
	tb.Helper()
	return at(Free(tb))
}

func at(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func silent(port int) bool {
	stream, err := net.Listen("tcp", at(port))
	if err != nil {
		return false
	}
	defer stream.Close()
	datagrams, err := net.ListenPacket("udp", at(port))
	if err != nil {
		return false
	}
	return datagrams.Close() == nil
}
