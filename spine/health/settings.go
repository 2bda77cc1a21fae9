package health

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"holdfast"
)

// Never is the limit of what is not to be told.
const Never = time.Duration(-1)

// Limits are from when on something is a trouble.
type Limits struct {
	Quiet  time.Duration // the shortest silence of a source by its rhythm
	Agent  time.Duration // the longest silence of an agent
	Clock  time.Duration // how far a clock may be ahead
	Lag    time.Duration // how far rules and store may be behind
	Parse  float64       // the share of dead letters
	Fields int           // events of a dataset without a field; 0 for off
	Days   float64       // until the disk is full
	Free   float64       // the share of the disk that must be free
	// Sources are for some sources, the first that fits counts: so long may it be
	// silent, whatever its rhythm, or Never.
	Sources []Rule
	Agents  []Rule // the same for agents, by the name of their host
}

// Rule is a limit for what has a name that fits.
type Rule struct {
	Pattern string
	Limit   time.Duration
}

// DefaultLimits are those without settings.
func DefaultLimits() Limits {
	return Limits{
		Quiet: 10 * time.Minute, Agent: 5 * time.Minute, Clock: 2 * time.Minute, Lag: time.Minute,
		Parse: 0.05, Fields: 500, Days: 7, Free: 0.05,
	}
}

// Set reads one setting: NAME=VALUE, or quiet:PATTERN=VALUE.
func (l *Limits) Set(text string) error {
	at := strings.LastIndex(text, "=")
	if at < 0 {
		return fmt.Errorf("%q has no value; write quiet=30m, or quiet:syslog:*=5m", text)
	}
	name, value := text[:at], text[at+1:]
	name, pattern, some := strings.Cut(name, ":")
	if some && (name != Quiet && name != Agent || pattern == "" || len(pattern) > 1000) {
		return fmt.Errorf("%q: only quiet and agent can be set for some; write quiet:syslog:*=5m, or agent:laptop*=never", text)
	}
	switch name {
	case Quiet, Agent:
		d, err := span(value, some)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", name, err)
		case !some && name == Quiet:
			l.Quiet = d
		case !some:
			l.Agent = d
		case name == Quiet:
			l.Sources = append(l.Sources, Rule{pattern, d})
		default:
			l.Agents = append(l.Agents, Rule{pattern, d})
		}
		return nil
	case Clock, Lag:
		d, err := span(value, false)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if name == Clock {
			l.Clock = d
		} else {
			l.Lag = d
		}
		return nil
	case Parse:
		return share(&l.Parse, name, value)
	case "fields":
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 || n > 1_000_000_000 {
			return fmt.Errorf("fields: %q is no number of events; write 500, or 0 to leave fields alone", value)
		}
		l.Fields = n
		return nil
	case Disk:
		days, free, both := strings.Cut(value, "+")
		d, err := span(days, false)
		if err != nil {
			return fmt.Errorf("disk: %w", err)
		}
		l.Days = d.Hours() / 24
		if both {
			return share(&l.Free, name, free)
		}
		return nil
	}
	return fmt.Errorf("there is no %q to set; write one of quiet, agent, clock, lag, parse, fields and disk, such as quiet=30m", name)
}

// span reads a duration of at least a second.
func span(text string, never bool) (time.Duration, error) {
	if never && text == "never" {
		return Never, nil
	}
	var d holdfast.Duration
	if err := d.UnmarshalText([]byte(text)); err != nil {
		return 0, err
	}
	if d.Std() < time.Second {
		return 0, fmt.Errorf("%q is too short; a second is the least", text)
	}
	return d.Std(), nil
}

func share(into *float64, name, text string) error {
	n, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil || !(n >= 0 && n <= 100) || !strings.HasSuffix(text, "%") {
		return fmt.Errorf("%s: %q is no share; write 5%%", name, text)
	}
	*into = n / 100
	return nil
}

// ruleFor is the first rule that fits a name.
func ruleFor(rules []Rule, names ...string) (time.Duration, bool) {
	for _, r := range rules {
		for _, n := range names {
			if Fits(r.Pattern, n) {
				return r.Limit, true
			}
		}
	}
	return 0, false
}

// Fits reports whether a name fits a pattern, in which * stands for any text.
func Fits(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	if !strings.HasPrefix(name, parts[0]) {
		return false
	}
	name = name[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(name, p)
		if i < 0 {
			return false
		}
		name = name[i+len(p):]
	}
	return strings.HasSuffix(name, parts[len(parts)-1])
}

// Shortest is the shortest silence that a setting names, for how often one has
// to look.
func (l *Limits) Shortest() time.Duration {
	out := min(l.Quiet, l.Agent, l.Lag)
	for _, r := range append(append([]Rule{}, l.Sources...), l.Agents...) {
		if r.Limit != Never {
			out = min(out, r.Limit)
		}
	}
	return out
}

// AgentLimit is how long the agent of a host with one of these names may be
// silent; Never for ever.
func (l *Limits) AgentLimit(names ...string) time.Duration {
	if d, ok := ruleFor(l.Agents, names...); ok {
		return d
	}
	return l.Agent
}
