// Command holdfast-agent is the program on a host: it sends events and facts to
// a Holdfast server and carries out signed tasks. It reads flags and
// environment and wires package agent; everything else is left to that.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"holdfast"
)

// version is set by the linker.
var version = "dev"

// Exit codes.
const (
	exitOK        = 0
	exitFailed    = 1
	exitUsage     = 2
	exitForbidden = 3
	exitNotFound  = 4
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "holdfast-agent:", err)
	}
	os.Exit(code(err))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := root(stdout, stderr)
	c.SetArgs(args)
	return c.ExecuteContext(ctx)
}

func code(err error) int {
	var use usage
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &use), errors.Is(err, holdfast.ErrInvalid):
		return exitUsage
	case errors.Is(err, holdfast.ErrForbidden):
		return exitForbidden
	case errors.Is(err, holdfast.ErrNotFound):
		return exitNotFound
	}
	return exitFailed
}

// usage is a command line that is wrong.
type usage struct{ error }

func (u usage) Unwrap() error { return u.error }
