package wire

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
)

func TestRoundTrip(t *testing.T) {
	var c Codec
	in := Events{ID: "agent-a-s-1-1", Records: []holdfast.Record{{
		Source: "file:/var/log/auth.log", Position: "1:2:3", Dataset: "linux.sshd",
		Received: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Raw: []byte{0, 0xff, '\n'}, Truncated: true,
	}}}
	b, err := c.Encode(in, MaxEvents)
	if err != nil {
		t.Fatal(err)
	}
	var out Events
	if err := DecodeBytes(b, &out, MaxEvents); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(in, out); d != "" {
		t.Fatal(d)
	}
}

func TestLimits(t *testing.T) {
	var c Codec
	bomb, err := c.Encode(strings.Repeat("a", 1<<20), 2<<20)
	if err != nil {
		t.Fatal(err)
	}
	var s string
	if err := DecodeBytes(bomb, &s, 64<<10); !errors.Is(err, holdfast.ErrTooLarge) {
		t.Fatalf("a small body that grows over the limit: %v", err)
	}
	if _, err := c.Encode(strings.Repeat("a", 100), 50); !errors.Is(err, holdfast.ErrTooLarge) {
		t.Fatalf("encoding over the limit: %v", err)
	}
	if err := DecodeBytes([]byte(`{"id":"x"}`), &Events{}, MaxSmall); !errors.Is(err, holdfast.ErrInvalid) {
		t.Fatalf("plain JSON: %v", err)
	}
	for name, e := range map[string]Events{
		"no id":      {Records: []holdfast.Record{{Source: "s"}}},
		"no records": {ID: "x"},
		"no source":  {ID: "x", Records: []holdfast.Record{{}}},
		"too many":   {ID: "x", Records: make([]holdfast.Record, MaxRecords+1)},
		"too long":   {ID: "x", Records: []holdfast.Record{{Source: "s", Raw: make([]byte, MaxRaw+1)}}},
	} {
		if e.Check() == nil {
			t.Errorf("%s: passed", name)
		}
	}
}

func TestToken(t *testing.T) {
	tok, err := NewToken(Fingerprint([]byte("ca")))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseToken(" " + tok.String() + "\n")
	if err != nil || got != tok {
		t.Fatalf("%v, %v", got, err)
	}
	for _, s := range []string{"", "hf1", "hf2." + tok.Secret + "." + tok.Fingerprint, "hf1.x." + tok.Fingerprint, "hf1." + tok.Secret + ".00"} {
		if _, err := ParseToken(s); !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	var c Codec
	for _, v := range []any{
		Events{ID: "a", Records: []holdfast.Record{{Source: "s", Raw: []byte("x")}}},
		Enrol{Secret: "s"},
		Heartbeat{Notes: map[string]string{"a": "b"}},
		Ask{Have: []string{"x"}},
	} {
		b, err := c.Encode(v, MaxSmall)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var e Events
		if DecodeBytes(b, &e, MaxSmall) == nil {
			_ = e.Check()
		}
		var en Enrol
		_ = DecodeBytes(b, &en, MaxSmall)
		var ta Tasks
		_ = DecodeBytes(b, &ta, MaxSmall)
		_, _ = ParseToken(string(b))
	})
}
