package ports

import (
	"net"
	"testing"
)

// TestFree holds that a port is below those of outgoing connections, is given
// once, and is none on which something listens.
func TestFree(t *testing.T) {
	seen := map[int]bool{}
	for range 50 {
		port := Free(t)
		if seen[port] {
			t.Fatalf("%d is given twice", port)
		}
		seen[port] = true
		if port < first || port >= beyond {
			t.Fatalf("%d is not between %d and %d", port, first, beyond)
		}
		ln, err := net.Listen("tcp", at(port))
		if err != nil {
			t.Fatal(err)
		}
		if silent(port) {
			t.Errorf("%d is called free while something listens on it", port)
		}
		ln.Close()
	}
}
