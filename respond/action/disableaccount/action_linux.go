package disableaccount

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"holdfast"
	"holdfast/internal/host"
)

// longGone is the day on which a disabled account expires: 2 January 1970. Day
// 0 is ambiguous (shadow(5)).
const longGone = 1

func live(h *host.Host) error {
	if h.Root != "" {
		return fmt.Errorf("%s works on the live system only: %w", name, errors.ErrUnsupported)
	}
	return nil
}

func plan(_ context.Context, h *host.Host, raw json.RawMessage) (holdfast.Plan, error) {
	in, err := readParams(raw)
	if err != nil {
		return holdfast.Plan{}, err
	}
	if err := live(h); err != nil {
		return holdfast.Plan{}, err
	}
	p := holdfast.Plan{
		Part: part, Params: raw, Made: h.Clock.Now(), Lease: in.Lease,
		Summary: fmt.Sprintf("Disable the account %s for %s: lock its password, let it expire", in.User, in.Lease),
	}
	if !in.KeepSessions {
		p.Summary += ", end its processes"
	}
	for _, program := range []string{"usermod", "chage", "passwd"} {
		if _, err := exec.LookPath(program); err != nil {
			p.Refused = append(p.Refused, fmt.Sprintf("the program %s is not on this host", program))
		}
	}
	all, err := accounts(h)
	if err != nil {
		return p, err
	}
	p.Refused = append(p.Refused, refusals(h, all, in.User)...)
	a, ok := all[in.User]
	if !ok {
		return p, nil
	}
	p.Fingerprint = fingerprint(a)
	if p.Undo, err = json.Marshal(before{User: a.name, UID: a.uid, Locked: a.locked, Empty: a.empty, Usable: a.password, Expire: a.expire}); err != nil {
		return p, err
	}
	if !a.locked {
		unlock := "usermod -U " + a.name
		if a.empty {
			unlock = "usermod -p '' " + a.name
		}
		p.Steps = append(p.Steps, holdfast.Step{Do: "usermod -L " + a.name, Undo: unlock})
	}
	if a.expire != longGone {
		p.Steps = append(p.Steps, holdfast.Step{Do: fmt.Sprintf("chage -E %d %s", longGone, a.name), Undo: fmt.Sprintf("chage -E %d %s", a.expire, a.name)})
	}
	running, err := processesOf(h, a.uid)
	if err != nil {
		return p, err
	}
	for _, one := range running {
		why := "it is ended, and does not come back when the account does"
		if in.KeepSessions {
			why = "it goes on: only new logins are refused"
		}
		p.Hits = append(p.Hits, holdfast.Hit{Kind: "session", Value: fmt.Sprintf("%s[%d]", one.name, one.pid), Why: why})
	}
	for n, b := range all {
		if b.uid == a.uid && n != a.name {
			p.Hits = append(p.Hits, holdfast.Hit{Kind: "account", Value: n, Why: "it has the same user id; its processes are the same, its login is not disabled"})
		}
	}
	if len(running) > 0 && !in.KeepSessions {
		p.Steps = append(p.Steps, holdfast.Step{Do: fmt.Sprintf("end the %d processes of %s", len(running), a.name)})
	}
	p.Nothing = len(p.Steps) == 0
	return p, nil
}

func fingerprint(a account) string {
	return holdfast.StableID("fp", a.name, strconv.Itoa(a.uid), strconv.FormatBool(a.locked), strconv.FormatBool(a.empty), strconv.Itoa(a.expire))
}

// ours reads back from a plan what it was made for.
func ours(p holdfast.Plan) (Params, before, error) {
	var b before
	in, err := readParams(p.Params)
	if err != nil {
		return in, b, err
	}
	if err := json.Unmarshal(p.Undo, &b); err != nil {
		return in, b, fmt.Errorf("the plan's undo: %w: %w", err, holdfast.ErrInvalid)
	}
	if b.User != in.User || b.Expire < -1 {
		return in, b, fmt.Errorf("the plan's undo does not fit its parameters: %w", holdfast.ErrInvalid)
	}
	return in, b, nil
}

func apply(ctx context.Context, h *host.Host, p holdfast.Plan) error {
	in, b, err := ours(p)
	if err != nil {
		return err
	}
	if err := live(h); err != nil {
		return err
	}
	if len(p.Refused) > 0 || p.Nothing {
		return fmt.Errorf("this plan is not to be applied: %w", holdfast.ErrRefused)
	}
	all, err := accounts(h)
	if err != nil {
		return err
	}
	a := all[in.User]
	// An apply that was cut short has locked the account and not yet expired it.
	begun := a.uid == b.UID && a.locked && (a.expire == b.Expire || a.expire == longGone)
	if fingerprint(a) != p.Fingerprint && !begun {
		return fmt.Errorf("the account %s is not what it was when this was planned: %w", in.User, holdfast.ErrConflict)
	}
	if no := refusals(h, all, in.User); len(no) > 0 {
		return fmt.Errorf("%s: %w", no[0], holdfast.ErrRefused)
	}
	if !a.locked {
		if _, err := h.Run(ctx, nil, "usermod", "-L", in.User); err != nil {
			return err
		}
	}
	if a.expire != longGone {
		if _, err := h.Run(ctx, nil, "chage", "-E", strconv.Itoa(longGone), in.User); err != nil {
			return err
		}
	}
	if in.KeepSessions {
		return nil
	}
	return end(ctx, h, b.UID)
}

// end kills the processes of a user until there are none: one may fork while it
// is looked at.
func end(ctx context.Context, h *host.Host, uid int) error {
	if uid <= 0 {
		return fmt.Errorf("the processes of user id %d are not ended: %w", uid, holdfast.ErrRefused)
	}
	for range 100 {
		running, err := processesOf(h, uid)
		if err != nil || len(running) == 0 {
			return err
		}
		for _, p := range running {
			if err := syscall.Kill(p.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("end %s[%d]: %w", p.name, p.pid, err)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return fmt.Errorf("processes of user id %d come back as fast as they are ended", uid)
}

func undo(ctx context.Context, h *host.Host, p holdfast.Plan) error {
	var b before
	if err := json.Unmarshal(p.Undo, &b); err != nil {
		return fmt.Errorf("the plan's undo: %w: %w", err, holdfast.ErrInvalid)
	}
	if !plain.MatchString(b.User) || b.Expire < -1 {
		return fmt.Errorf("the plan's undo names no account: %w", holdfast.ErrInvalid)
	}
	if err := live(h); err != nil {
		return err
	}
	all, err := accounts(h)
	if err != nil {
		return err
	}
	a, ok := all[b.User]
	if !ok || a.uid != b.UID {
		return nil // the account that was disabled is gone
	}
	if a.locked && !b.Locked {
		args := []string{"-U", b.User}
		if b.Empty {
			args = []string{"-p", "", b.User}
		}
		if _, err := h.Run(ctx, nil, "usermod", args...); err != nil {
			return err
		}
	}
	if a.expire == longGone && b.Expire != longGone {
		if _, err := h.Run(ctx, nil, "chage", "-E", strconv.Itoa(b.Expire), b.User); err != nil {
			return err
		}
	}
	return nil
}

func verify(ctx context.Context, h *host.Host, p holdfast.Plan) (holdfast.Proof, error) {
	in, b, err := ours(p)
	if err != nil {
		return holdfast.Proof{}, err
	}
	proof, a, err := look(ctx, h, b, "L")
	if err != nil {
		return proof, err
	}
	day := "never"
	if a.expire >= 0 {
		day = time.Unix(int64(a.expire)*86400, 0).UTC().Format(time.DateOnly)
	}
	proof.Tests = append(proof.Tests, holdfast.Test{Say: "the account's expiry", Want: "in the past", Got: day, OK: a.expire == longGone})
	if !in.KeepSessions {
		running, err := processesOf(h, b.UID)
		if err != nil {
			return proof, err
		}
		proof.Tests = append(proof.Tests, holdfast.Test{Say: "processes of " + in.User, Want: "0", Got: strconv.Itoa(len(running)), OK: len(running) == 0})
	}
	return judge(proof), nil
}

func verifyUndone(ctx context.Context, h *host.Host, p holdfast.Plan) (holdfast.Proof, error) {
	_, b, err := ours(p)
	if err != nil {
		return holdfast.Proof{}, err
	}
	want := "L"
	switch {
	case b.Empty:
		want = "NP"
	case b.Usable && !b.Locked:
		want = "P"
	}
	proof, a, err := look(ctx, h, b, want)
	if err != nil {
		return proof, err
	}
	proof.Tests = append(proof.Tests, holdfast.Test{Say: "the account's expiry, as a day since 1970", Want: strconv.Itoa(b.Expire), Got: strconv.Itoa(a.expire), OK: a.expire == b.Expire})
	return judge(proof), nil
}

// look asks the system's own programs about the account.
func look(ctx context.Context, h *host.Host, b before, want string) (holdfast.Proof, account, error) {
	proof := holdfast.Proof{At: h.Clock.Now()}
	if err := live(h); err != nil {
		return proof, account{}, err
	}
	all, err := accounts(h)
	if err != nil {
		return proof, account{}, err
	}
	a := all[b.User]
	test := holdfast.Test{Say: "getent passwd " + b.User, Want: fmt.Sprintf("user id %d", b.UID)}
	if out, err := h.Run(ctx, nil, "getent", "passwd", b.User); err != nil {
		test.Got = err.Error()
	} else if f := strings.Split(string(out.Stdout), ":"); len(f) > 2 {
		test.Got = "user id " + f[2]
		test.OK = test.Got == test.Want
	}
	proof.Tests = append(proof.Tests, test)
	test = holdfast.Test{Say: "passwd -S " + b.User, Want: want}
	if out, err := h.Run(ctx, nil, "passwd", "-S", b.User); err != nil {
		test.Got = err.Error()
	} else if f := strings.Fields(string(out.Stdout)); len(f) > 1 {
		// Red Hat's passwd says LK, PS and NP.
		test.Got = map[string]string{"LK": "L", "PS": "P"}[f[1]]
		if test.Got == "" {
			test.Got = f[1]
		}
		test.OK = test.Got == test.Want
	}
	proof.Tests = append(proof.Tests, test)
	return proof, a, nil
}

func judge(p holdfast.Proof) holdfast.Proof {
	p.Holds = len(p.Tests) > 0
	for _, t := range p.Tests {
		p.Holds = p.Holds && t.OK
	}
	return p
}
