// Package drill makes safe attempts to violate a requirement and measures, hop
// by hop, what they cause: attempt → event → alert → incident. An attempt names
// an account that does not exist, is bounded in number and rate, and goes only
// to hosts that are enrolled. What should hold, and what follows from a failed
// drill, is left to others.
package drill

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"holdfast"
	"holdfast/internal/clock"
	"holdfast/internal/probe"
)

// Kind describes one kind of drill.
type Kind struct {
	Name        string
	Title       string
	Description string
	References  []string
	// Never lists in words what it will not do.
	Never []string
	// Rules are those that must fire; none if the attempt must not even get
	// so far.
	Rules []string
	// attempt makes the attempts and says whether all were blocked.
	attempt func(ctx context.Context, target, account string) (blocked bool, say string, err error)
}

// Kinds lists the kinds by name.
func Kinds() []Kind {
	never := []string{
		"use an account that could exist: the name is random",
		"try an address that is not an enrolled host's",
		"make more than a dozen attempts, or run twice at once on a host",
	}
	return []Kind{
		{
			Name: "ssh-bruteforce", Title: "Password guessing over SSH", Never: never,
			Description: "Makes six failing SSH logins under a random account name within a few seconds. None may succeed, and the password-guessing rule must fire and open an incident.",
			References:  []string{"MITRE ATT&CK T1110.001"},
			Rules:       []string{"ssh_bruteforce"},
			attempt:     guess,
		},
		{
			Name: "ssh-password-login", Title: "Password login over SSH", Never: never,
			Description: "Tries one SSH login with a password under a random account name. The server must not take passwords at all, and the attempt must arrive as an event.",
			References:  []string{"MITRE ATT&CK T1078", "NIST SP 800-53 IA-2"},
			attempt:     login,
		},
	}
}

// KindFor names, for each rule, the kind of drill that makes it fire.
func KindFor() map[string]string {
	m := map[string]string{}
	for _, k := range Kinds() {
		for _, r := range k.Rules {
			m[r] = k.Name
		}
	}
	return m
}

const (
	guesses = 6
	pause   = 50 * time.Millisecond
)

func guess(ctx context.Context, target, account string) (bool, string, error) {
	all := probe.BruteForce(ctx, target, account, guesses, pause)
	for _, l := range all {
		if l.Accepted {
			return false, fmt.Sprintf("a random password logged in to %s", target), nil
		}
	}
	if len(all) < guesses {
		last := "nothing was tried"
		if len(all) > 0 {
			last = all[len(all)-1].Said
		}
		return false, "", fmt.Errorf("only %d of %d attempts could be made: %s", len(all), guesses, last)
	}
	return true, fmt.Sprintf("%d logins were refused", guesses), nil
}

func login(ctx context.Context, target, account string) (bool, string, error) {
	l := probe.Password(ctx, target, account, holdfast.NewID("pw"))
	if !l.Reached {
		return false, "", fmt.Errorf("%s was not reached: %s", target, l.Said)
	}
	t := l.NotOffered()
	return t.OK, t.Got, nil
}

// Book keeps drills.
type Book interface {
	// SaveDrill refuses a running drill with ErrConflict while another one is kept
	// as running on its asset.
	SaveDrill(ctx context.Context, d holdfast.Drill) error
	// RunningDrills lists those that are kept as running.
	RunningDrills(ctx context.Context) ([]holdfast.Drill, error)
}

// Request asks for a drill.
type Request struct {
	Kind  string
	Asset holdfast.Asset
	// Target is address:port; empty is port 22 of the asset's first address.
	Target   string
	Incident string // the incident it is run for, if any
	By       string
}

// Runner runs drills and watches for what they cause. Its methods may run at
// the same time.
type Runner struct {
	Book Book
	// Account makes an account name that no host has. Whoever knows it by the way in
	// which it was made marks its events as those of the drill IDOf it.
	Account func(context.Context) (string, error)
	Clock   clock.Clock
	Log     *slog.Logger
	// Patience is how long after the attempt the last hop may come; 0 is 15 s.
	Patience time.Duration

	mu      sync.Mutex
	running map[string]*run // by drill id
}

const (
	patience = 15 * time.Second
	longest  = time.Minute
	// lost is after how long a drill that is kept as running is no longer watched.
	lost = 2 * time.Minute
)

// run is one drill under way.
type run struct {
	drill   holdfast.Drill
	kind    Kind
	changed chan struct{} // has room for one
}

// Start begins a drill; it goes on until it has passed or failed, and the
// channel then gives it. Only one runs on an asset at a time. The context is
// the program's, not that of the request that asks: its end stops the drill.
// The incident that a drill makes is the Ref of its hop "incident".
func (r *Runner) Start(ctx context.Context, q Request) (holdfast.Drill, <-chan holdfast.Drill, error) {
	i := slices.IndexFunc(Kinds(), func(k Kind) bool { return k.Name == q.Kind })
	if i < 0 {
		var names []string
		for _, k := range Kinds() {
			names = append(names, k.Name)
		}
		return holdfast.Drill{}, nil, fmt.Errorf("no drill is called %q; there are %s: %w", q.Kind, strings.Join(names, ", "), holdfast.ErrInvalid)
	}
	target, err := aim(q)
	if err != nil {
		return holdfast.Drill{}, nil, err
	}
	account, err := r.Account(ctx)
	if err != nil {
		return holdfast.Drill{}, nil, err
	}
	one := &run{kind: Kinds()[i], changed: make(chan struct{}, 1)}
	one.drill = holdfast.Drill{
		ID: IDOf(account), Kind: q.Kind, Asset: q.Asset.ID, Target: target, Incident: q.Incident, By: q.By, Status: holdfast.DrillRunning,
		Marker: account, Rules: one.kind.Rules, Started: r.Clock.Now(),
	}
	if err := r.enter(one); err != nil {
		return holdfast.Drill{}, nil, err
	}
	first := one.drill
	if err := r.Book.SaveDrill(ctx, first); err != nil {
		r.leave(one)
		return holdfast.Drill{}, nil, err
	}
	done := make(chan holdfast.Drill, 1)
	go func() { done <- r.carry(ctx, one) }()
	return first, done, nil
}

// Run is Start that waits for the end.
func (r *Runner) Run(ctx context.Context, q Request) (holdfast.Drill, error) {
	_, done, err := r.Start(ctx, q)
	if err != nil {
		return holdfast.Drill{}, err
	}
	return <-done, nil
}

// Lost fails the drills that are kept as running and that nobody watches any more:
// all, for a program that has just started and is alone, or those that would be over
// if their program had not ended. It returns them.
func (r *Runner) Lost(ctx context.Context, all bool) (out []holdfast.Drill, err error) {
	left, err := r.Book.RunningDrills(ctx)
	if err != nil {
		return nil, err
	}
	now := r.Clock.Now()
	for _, d := range left {
		if !all && now.Sub(d.Started) < lost {
			continue
		}
		d.Status, d.Why, d.Ended = holdfast.DrillFailed, "Holdfast was stopped while it ran", now
		d.Took = d.Ended.Sub(d.Started)
		if err := r.Book.SaveDrill(ctx, d); err != nil {
			return out, err
		}
		out = append(out, d)
	}
	return out, nil
}

// IDOf is the id of the drill that uses an account name.
func IDOf(account string) string { return holdfast.StableID("drl", account) }

// aim checks that the target is the asset's.
func aim(q Request) (string, error) {
	if q.Asset.ID == "" || q.Asset.Enrolled.IsZero() {
		return "", fmt.Errorf("drills go to enrolled hosts only: %w", holdfast.ErrRefused)
	}
	if q.Target == "" {
		for _, a := range q.Asset.Addresses {
			if ip, err := netip.ParseAddr(a); err == nil && (q.Asset.Local || !ip.IsLoopback()) && !ip.IsLinkLocalUnicast() {
				return netip.AddrPortFrom(ip, 22).String(), nil
			}
		}
		return "", fmt.Errorf("no address of %s is known to aim at: %w", q.Asset.ID, holdfast.ErrInvalid)
	}
	host, port, err := net.SplitHostPort(q.Target)
	if err != nil {
		return "", fmt.Errorf("target %q is not address:port: %w", q.Target, holdfast.ErrInvalid)
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return "", fmt.Errorf("target %q has no IP address: %w", q.Target, holdfast.ErrInvalid)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("target %q has no port: %w", q.Target, holdfast.ErrInvalid)
	}
	own := q.Asset.Local && ip.IsLoopback()
	for _, a := range q.Asset.Addresses {
		if known, err := netip.ParseAddr(a); err == nil && known.Unmap() == ip.Unmap() {
			own = true
		}
	}
	if !own {
		return "", fmt.Errorf("%s is no address of %s; drills go to enrolled hosts only: %w", ip, q.Asset.ID, holdfast.ErrRefused)
	}
	return q.Target, nil
}
