package sshddropin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"holdfast"
	"holdfast/internal/host"
)

func apply(ctx context.Context, h *host.Host, p holdfast.Plan) error {
	a, wanted, err := ours(p)
	if err != nil {
		return err
	}
	if err := supported(); err != nil {
		return err
	}
	if len(p.Refused) > 0 || p.Nothing {
		return fmt.Errorf("this plan is not to be applied: %w", holdfast.ErrRefused)
	}
	text := render(a.Before, wanted)
	if p.Diff != unified(a.File, a, text) {
		return fmt.Errorf("the plan shows another change than it would make: %w", holdfast.ErrRefused)
	}
	l, err := look(h, a.Config, wanted)
	if err != nil {
		return fmt.Errorf("%w: %w", err, holdfast.ErrConflict)
	}
	if l.own != a.File {
		return fmt.Errorf("sshd now includes %s, not %s: %w", l.own, a.File, holdfast.ErrConflict)
	}
	now, err := previous(h, l.own)
	if err != nil {
		return err
	}
	if !now.Had || !bytes.Equal(now.Before, text) {
		print, err := l.fingerprint(h)
		if err != nil {
			return err
		}
		if print != p.Fingerprint {
			return fmt.Errorf("the files of sshd are not what they were when this was planned: %w", holdfast.ErrConflict)
		}
		// Until sshd has been told, a verify must not hold: whoever takes this up
		// after a crash would leave a running sshd with its old settings.
		if err := h.WriteAtomic(l.own+pending, nil, 0o600); err != nil {
			return err
		}
		if err := h.WriteAtomic(l.own, text, 0o644); err != nil {
			return err
		}
	}
	if err := check(ctx, h, a.Config, wanted); err != nil {
		if rerr := errors.Join(restore(h, a), h.Remove(a.File+pending)); rerr != nil {
			return fmt.Errorf("%w; and %s could not be put back: %w", err, a.File, rerr)
		}
		return err
	}
	return told(ctx, h, a)
}

// pending ends the name of an empty file that is there from before a change is
// written until sshd has been told to read it. No Include takes it in.
const pending = ".pending"

// told has sshd read its files, and takes note of it.
func told(ctx context.Context, h *host.Host, a arming) error {
	if err := reload(ctx, h, a.Config); err != nil {
		return err
	}
	return h.Remove(a.File + pending)
}

// check has sshd read all files, and makes sure that the wanted settings win.
func check(ctx context.Context, h *host.Host, config string, wanted []setting) error {
	if _, err := h.Run(ctx, nil, sshd, "-t", "-f", h.Path(config)); err != nil {
		return fmt.Errorf("sshd refuses the new configuration, the old one is back: %w", err)
	}
	now, after, err := both(ctx, h, config, wanted)
	if err != nil {
		return err
	}
	if d := differ(now, after, wanted); len(d) > 0 {
		return fmt.Errorf("another file comes before %s and wins (%s); the old configuration is back: %w", fileOwn, strings.Join(d, ", "), holdfast.ErrRefused)
	}
	return nil
}

// both is what sshd makes of its files, and what it should.
func both(ctx context.Context, h *host.Host, config string, wanted []setting) (now, after map[string]string, err error) {
	if now, err = effective(ctx, h, config, nil); err != nil {
		return nil, nil, err
	}
	after, err = effective(ctx, h, config, wanted)
	return now, after, err
}

func restore(h *host.Host, a arming) error {
	if !a.Had {
		return h.Remove(a.File)
	}
	return h.WriteAtomic(a.File, a.Before, fs.FileMode(a.Mode).Perm())
}

func undo(ctx context.Context, h *host.Host, p holdfast.Plan) error {
	a, err := armed(p)
	if err != nil {
		return err
	}
	if err := supported(); err != nil {
		return err
	}
	now, err := previous(h, a.File)
	if err != nil {
		return err
	}
	if now.Had != a.Had || !bytes.Equal(now.Before, a.Before) {
		if err := restore(h, a); err != nil {
			return err
		}
	}
	if _, err := h.Run(ctx, nil, sshd, "-t", "-f", h.Path(a.Config)); err != nil {
		return fmt.Errorf("%s is as it was, but sshd refuses the configuration, so it was not told to read it: %w", a.File, err)
	}
	return told(ctx, h, a)
}

func verify(ctx context.Context, h *host.Host, p holdfast.Plan) (holdfast.Proof, error) {
	a, wanted, err := ours(p)
	if err != nil {
		return holdfast.Proof{}, err
	}
	if err := supported(); err != nil {
		return holdfast.Proof{}, err
	}
	start := time.Now()
	now, after, err := both(ctx, h, a.Config, wanted)
	if err != nil {
		return holdfast.Proof{}, err
	}
	proof := holdfast.Proof{Holds: true, At: h.Clock.Now()}
	add := func(t holdfast.Test) {
		t.Took = time.Since(start)
		proof.Tests = append(proof.Tests, t)
		proof.Holds = proof.Holds && t.OK
	}
	for _, s := range wanted {
		k := strings.ToLower(s.key)
		add(holdfast.Test{Say: "sshd -T: " + s.key, Want: after[k], Got: now[k], OK: now[k] == after[k]})
	}
	t := holdfast.Test{Say: "an sshd listens, and has read these files", Want: "listening", Got: "no sshd listens"}
	switch ls := listeners(a.Config); {
	case h.Exists(a.File + pending):
		t.Got = "sshd has not been told to read them yet"
	case len(ls) > 0:
		t.Got, t.OK = fmt.Sprintf("listening, process %d", ls[0].pid), true
	case h.Exists("/run/systemd/system"):
		if _, err := h.Run(ctx, nil, "systemctl", "is-active", "--quiet", "ssh.socket"); err == nil {
			t.Got, t.OK = "systemd listens and starts one sshd for each connection", true
		}
	}
	add(t)
	return proof, nil
}
