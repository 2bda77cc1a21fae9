// Package host is how parts touch the machine they run on: files, atomically,
// and programs, bounded. It never uses a shell. What to change, and whether
// that is allowed, is left to the parts and the agent.
package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"holdfast/internal/clock"
)

// MaxFile is the most that ReadFile reads: 16 MiB.
const MaxFile = 16 << 20

// MaxOutput is the most of a program's output that is kept: 16 MiB.
const MaxOutput = 16 << 20

// Host is one machine. The zero Root is the machine's own.
type Host struct {
	Root  string // prefix for every path; "" or a fixture's folder in tests
	Log   *slog.Logger
	Clock clock.Clock
	// Management lists addresses and prefixes that must never lose access: the
	// declared visible hole for the people who run the host.
	Management []string
}

// New returns the machine's own host.
func New(log *slog.Logger, c clock.Clock) *Host { return &Host{Log: log, Clock: c} }

// Path returns p under Root.
func (h *Host) Path(p string) string { return filepath.Join(h.Root, p) }

// ReadFile reads a file of at most MaxFile bytes.
func (h *Host) ReadFile(p string) ([]byte, error) {
	f, err := os.Open(h.Path(p))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > MaxFile {
		return nil, fmt.Errorf("%s is larger than %d MiB", p, MaxFile>>20)
	}
	return b, nil
}

// Exists reports whether the path is there.
func (h *Host) Exists(p string) bool {
	_, err := os.Lstat(h.Path(p))
	return err == nil
}

// WriteAtomic replaces a file so that a reader, and a crash, sees the old or
// the new one whole: temporary file, fsync, rename, fsync of the folder.
func (h *Host) WriteAtomic(p string, data []byte, mode fs.FileMode) error {
	return WriteAtomic(h.Path(p), data, mode)
}

// WriteAtomic is Host.WriteAtomic for a full path.
func WriteAtomic(full string, data []byte, mode fs.FileMode) error {
	dir := filepath.Dir(full)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(full)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err = tmp.Write(data); err == nil {
		err = tmp.Chmod(mode)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), full); err != nil {
		return err
	}
	return SyncDir(dir)
}

// Remove deletes a file durably; a missing file is no error.
func (h *Host) Remove(p string) error {
	full := h.Path(p)
	if err := os.Remove(full); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return SyncDir(filepath.Dir(full))
}

// Output is what a program said.
type Output struct {
	Stdout, Stderr []byte
	Code           int
	Took           time.Duration
}

// Run runs a program with arguments, never a shell, with the C locale and a
// bounded output. A program that ends with a code other than 0 is an *ExitError.
func (h *Host) Run(ctx context.Context, stdin []byte, name string, args ...string) (Output, error) {
	start := time.Now()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "LANG=C")
	if stdin != nil {
		cmd.Stdin = bytes.NewReader(stdin)
	}
	var out, errOut capped
	cmd.Stdout, cmd.Stderr = &out, &errOut
	cmd.WaitDelay = 2 * time.Second
	err := cmd.Run()
	o := Output{out.b.Bytes(), errOut.b.Bytes(), cmd.ProcessState.ExitCode(), time.Since(start)}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return o, &ExitError{name, args, o}
	}
	if err != nil {
		return o, fmt.Errorf("%s: %w", name, err)
	}
	return o, nil
}

// ExitError is a program that ran and failed.
type ExitError struct {
	Name string
	Args []string
	Output
}

func (e *ExitError) Error() string {
	said := bytes.TrimSpace(e.Stderr)
	if len(said) == 0 {
		said = bytes.TrimSpace(e.Stdout)
	}
	if len(said) > 500 {
		said = said[:500]
	}
	return fmt.Sprintf("%s %v ended with %d: %s", e.Name, e.Args, e.Code, said)
}

type capped struct{ b bytes.Buffer }

func (c *capped) Write(p []byte) (int, error) {
	if room := MaxOutput - c.b.Len(); room > 0 {
		c.b.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
