package undo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"holdfast"
)

// Spawn starts the watchdog, command with "--dir dir --subject subject" added,
// so that it outlives this process: as a unit of its own where systemd runs,
// else in its own session. It returns once the watchdog holds its watch.
func (s Store) Spawn(ctx context.Context, command []string, dir, subject string) error {
	if len(command) == 0 {
		return fmt.Errorf("undo watch: no command was given: %w", holdfast.ErrInvalid)
	}
	args := append(append([]string{}, command...), "--dir", dir, "--subject", subject)
	if underSystemd() {
		unit := append([]string{"--quiet", "--collect", "--unit=holdfast-" + s.id(subject) + "-" + holdfast.NewID("w"), "--"}, args...)
		if exec.CommandContext(ctx, "systemd-run", unit...).Run() == nil && s.awaited(ctx, subject) == nil {
			return nil
		}
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "HOLDFAST_AGENT_TOKEN=")
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("undo watch: %w", err)
	}
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }() // so that it leaves no zombie while we live
	if err := s.awaited(ctx, subject); err != nil {
		select {
		case werr := <-gone:
			return fmt.Errorf("undo watch ended at once: %w", errors.Join(err, werr))
		default:
			return err
		}
	}
	return nil
}

// awaited waits until a watchdog holds its watch or has nothing to watch.
func (s Store) awaited(ctx context.Context, subject string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	for {
		if s.Watched(subject) {
			return nil
		}
		if _, err := s.Get(subject); errors.Is(err, holdfast.ErrNotFound) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("undo watch did not start: %w", ctx.Err())
		case <-t.C:
		}
	}
}
