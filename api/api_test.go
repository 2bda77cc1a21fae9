package api

import "testing"

func TestDescribe(t *testing.T) {
	b, err := Describe("test")
	if err != nil || len(b) < 1000 {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
}
