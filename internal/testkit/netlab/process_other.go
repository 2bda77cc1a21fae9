//go:build !linux

package netlab

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"syscall"
)

var errNotLinux = errors.New("the lab needs Linux namespaces")

// Dial is not supported on this system.
func (h *Host) Dial(context.Context, string, string) (net.Conn, error) { return nil, errNotLinux }

// Listen is not supported on this system.
func (h *Host) Listen(string, string) (net.Listener, error) { return nil, errNotLinux }

// Signal is not supported on this system.
func (h *Host) Signal(*exec.Cmd, syscall.Signal) error { return errNotLinux }
