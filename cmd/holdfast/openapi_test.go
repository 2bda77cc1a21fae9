package main

import (
	"bytes"
	"os"
	"testing"
)

// TestOpenAPI fails when docs/openapi.json is not what the code says now.
func TestOpenAPI(t *testing.T) {
	kept, err := os.ReadFile("../../docs/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var now bytes.Buffer
	if code := run(t.Context(), []string{"openapi"}, nil, &now, os.Stderr); code != 0 {
		t.Fatal(code)
	}
	if !bytes.Equal(kept, now.Bytes()) {
		t.Errorf("docs/openapi.json has %d bytes and the code says other %d: run make generate", len(kept), now.Len())
	}
}
