package spine

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"holdfast"
	"holdfast/internal/probe"
)

// prober looks at hosts from where the server stands, over new connections.
type prober struct{ s *Spine }

const probeTime = 4 * time.Second

func (p prober) Confirm(ctx context.Context, a holdfast.Action) holdfast.Test {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	target, err := p.s.sshTarget(ctx, a.Asset)
	if err != nil {
		return holdfast.Test{Say: "new SSH connection from the server", Want: "served", Got: err.Error()}
	}
	return probe.SSH(ctx, target)
}

func (p prober) Prove(ctx context.Context, a holdfast.Action) []holdfast.Test {
	if a.Part != "artefact/sshd-drop-in" || !refusesPasswords(a.Params) {
		return nil
	}
	return p.s.passwordTests(ctx, a.Asset)
}

func refusesPasswords(params holdfast.Raw) bool {
	var x struct{ Settings map[string]string }
	return json.Unmarshal(params, &x) == nil && strings.EqualFold(x.Settings["PasswordAuthentication"], "no")
}

// passwordTests tries to log in with a password, as nobody who exists.
func (s *Spine) passwordTests(ctx context.Context, asset string) []holdfast.Test {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	target, err := s.sshTarget(ctx, asset)
	if err != nil {
		return []holdfast.Test{{Say: "password login from the server", Want: "refused", Got: err.Error()}}
	}
	names, err := s.probeNames(ctx)
	if err != nil {
		return []holdfast.Test{{Say: "password login from the server", Want: "refused", Got: err.Error()}}
	}
	account := names.name(s.Clock.Now())
	return []holdfast.Test{probe.Password(ctx, target, account, holdfast.NewID("pw")).NotOffered()}
}

// probeNames makes and knows the account names of proofs.
func (s *Spine) probeNames(ctx context.Context) (probeNames, error) {
	if key := s.probeKey.Load(); key != nil {
		return *key, nil
	}
	key, err := s.State.SettingOr(ctx, "probe.key", func() (string, error) { return rand.Text(), nil })
	if err != nil {
		return nil, err
	}
	names := probeNames(key)
	s.probeKey.Store(&names)
	return names, nil
}

// ProbeDrill stands in place of a drill's id on the events that the loop's own
// proofs cause. They are kept and searchable, and raise no alert.
const ProbeDrill = "probe"

// Marker returns the drill whose account name a text is, ProbeDrill for the
// name of one of the loop's own proofs, or "".
func (s *Spine) Marker(text string) string {
	if id := s.Drills.Marker(text); id != "" {
		return id
	}
	if !strings.HasPrefix(text, probePrefix) {
		return ""
	}
	names, err := s.probeNames(context.Background())
	if err != nil {
		s.Log.Warn("an event of a proof may raise an alert", "error", err)
		return ""
	}
	if names.made(text, s.Clock.Now()) {
		return ProbeDrill
	}
	return ""
}

// sshTarget is the address and port of an asset's SSH server, as seen from
// here.
func (s *Spine) sshTarget(ctx context.Context, asset string) (string, error) {
	x, err := s.State.Assets().Get(ctx, asset)
	if err != nil {
		return "", err
	}
	facts, err := s.State.Facts(ctx, asset)
	if err != nil {
		return "", err
	}
	port := sshPort(facts)
	if port == 0 {
		return "", fmt.Errorf("no SSH server listens on %s, by its newest facts: %w", x.Name, holdfast.ErrNotFound)
	}
	if x.Local {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), nil
	}
	for _, text := range x.Addresses {
		ip, err := netip.ParseAddr(text)
		if err == nil && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() {
			return netip.AddrPortFrom(ip, uint16(port)).String(), nil
		}
	}
	return "", fmt.Errorf("no address of %s is known: %w", x.Name, holdfast.ErrNotFound)
}

// sshPort finds where sshd listens: by the process if the facts tell, else by
// its settings. Facts taken while sshd starts again show no listener, so the
// settings alone will do: the connection that follows tells the truth.
func sshPort(f holdfast.Facts) int {
	listens := map[int64]bool{}
	first := 0
	for _, r := range f.Tables["listeners"].Rows {
		port, _ := r["port"].(int64)
		name, _ := r["process"].(string)
		listens[port] = true
		if strings.HasPrefix(name, "sshd") && port > 0 && port < 1<<16 {
			return int(port)
		}
	}
	for _, r := range f.Tables["sshd"].Rows {
		for _, v := range asList(r["port"]) {
			n, err := strconv.Atoi(fmt.Sprint(v))
			if err != nil || n <= 0 || n >= 1<<16 {
				continue
			}
			if listens[int64(n)] {
				return n
			}
			if first == 0 {
				first = n
			}
		}
	}
	return first
}

func asList(v any) []any {
	if l, ok := v.([]any); ok {
		return l
	}
	return []any{v}
}
