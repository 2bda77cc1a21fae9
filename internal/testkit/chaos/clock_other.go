//go:build !linux || !amd64

package chaos

import (
	"errors"
	"os/exec"
	"time"
)

// Clock is the time of day of one process; here it cannot be set.
type Clock struct{}

// Start starts a program, whose clock is the machine's.
func Start(cmd *exec.Cmd, _ time.Duration) (*Clock, error) { return &Clock{}, cmd.Start() }

// Set is not possible here.
func (*Clock) Set(time.Duration) error { return errors.ErrUnsupported }

// Close does nothing.
func (*Clock) Close() error { return nil }
