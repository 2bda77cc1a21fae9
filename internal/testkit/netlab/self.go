package netlab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"holdfast"
	"holdfast/internal/clock"
	"holdfast/internal/host"
)

// Part is what an action and an artefact have in common. VerifyUndone may be
// nil.
type Part struct {
	Plan         func(ctx context.Context, h *host.Host, params json.RawMessage) (holdfast.Plan, error)
	Apply        func(ctx context.Context, h *host.Host, p holdfast.Plan) error
	Verify       func(ctx context.Context, h *host.Host, p holdfast.Plan) (holdfast.Proof, error)
	Undo         func(ctx context.Context, h *host.Host, p holdfast.Plan) error
	VerifyUndone func(ctx context.Context, h *host.Host, p holdfast.Plan) (holdfast.Proof, error)
}

// Order is what a test tells its program's second self on a host to do, as the
// agent would.
type Order struct {
	Verb       string // one of holdfast's verbs, or VerbVerifyUndone
	Params     holdfast.Raw
	Plan       holdfast.Plan
	Management []string
}

// VerbVerifyUndone proves that an undo has taken effect.
const VerbVerifyUndone = "verify-undone"

// Outcome is what came of an order.
type Outcome struct {
	Plan  holdfast.Plan
	Proof holdfast.Proof
	Error string
	Took  time.Duration
}

// selfEnv makes the test's program the second self.
const selfEnv = "HOLDFAST_NETLAB_SECOND_SELF"

// Main is the TestMain of a part that is tried in the lab: it runs the tests,
// or, as the second self that Do starts, one order.
func Main(m *testing.M, p Part) {
	if os.Getenv(selfEnv) == "" {
		os.Exit(m.Run())
	}
	var o Order
	if err := json.NewDecoder(os.Stdin).Decode(&o); err != nil {
		panic(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(p.obey(o)); err != nil {
		panic(err)
	}
	os.Exit(0)
}

func (p Part) obey(o Order) (out Outcome) {
	h := host.New(slog.New(slog.NewTextHandler(os.Stderr, nil)), clock.System{})
	h.Management = o.Management
	ctx, start := context.Background(), time.Now()
	var err error
	switch o.Verb {
	case holdfast.VerbPlan:
		out.Plan, err = p.Plan(ctx, h, o.Params)
	case holdfast.VerbApply:
		err = p.Apply(ctx, h, o.Plan)
	case holdfast.VerbVerify:
		out.Proof, err = p.Verify(ctx, h, o.Plan)
	case holdfast.VerbUndo:
		err = p.Undo(ctx, h, o.Plan)
	case VerbVerifyUndone:
		out.Proof, err = p.VerifyUndone(ctx, h, o.Plan)
	default:
		err = fmt.Errorf("there is no verb %q", o.Verb)
	}
	out.Took = time.Since(start)
	if err != nil {
		out.Error = err.Error()
	}
	return out
}

// Do starts the test's program a second time, on the host, and has it carry
// out the order. The test's TestMain must call Main.
func (h *Host) Do(o Order) Outcome {
	tb := h.lab.tb
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	in, err := json.Marshal(o)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(h.lab.ctx, 20*time.Second)
	defer cancel()
	cmd := h.Command(ctx, self)
	cmd.Env = append(os.Environ(), selfEnv+"=1")
	cmd.Stdin = bytes.NewReader(in)
	var said strings.Builder
	cmd.Stderr = &said
	b, err := cmd.Output()
	if err != nil {
		tb.Fatalf("%s on %s: %v\n%s", o.Verb, h.Name, err, said.String())
	}
	var out Outcome
	if err := json.Unmarshal(b, &out); err != nil {
		tb.Fatalf("%s on %s: %v\n%s", o.Verb, h.Name, err, b)
	}
	if out.Error != "" && said.Len() > 0 {
		tb.Log(said.String())
	}
	return out
}

// MustDo is Do that fails the test if the order fails.
func (h *Host) MustDo(o Order) Outcome {
	h.lab.tb.Helper()
	out := h.Do(o)
	if out.Error != "" {
		h.lab.tb.Fatalf("%s on %s: %s", o.Verb, h.Name, out.Error)
	}
	return out
}
