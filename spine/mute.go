package spine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast"
	"holdfast/spine/health"
	"holdfast/store/state"
)

const (
	mutesSetting = "health.mutes"
	maxMutes     = 200
	mostMute     = 366 * 24 * time.Hour
)

// Mutes lists the mutes that have not ended.
func (s *Spine) Mutes(ctx context.Context) ([]holdfast.Mute, error) {
	text, err := s.State.Setting(ctx, mutesSetting)
	if errors.Is(err, holdfast.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return readMutes(text, s.Clock.Now())
}

func readMutes(text string, now time.Time) ([]holdfast.Mute, error) {
	var out []holdfast.Mute
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		return nil, fmt.Errorf("the mutes in the state are damaged: %w: %w", holdfast.ErrInvalid, err)
	}
	return slices.DeleteFunc(out, func(m holdfast.Mute) bool { return !now.Before(m.Expires) }), nil
}

func mutedBy(mutes []holdfast.Mute, t health.Trouble, now time.Time) *holdfast.Mute {
	for i := range mutes {
		m := &mutes[i]
		if now.Before(m.Expires) && (m.Kind == "" || m.Kind == t.Kind) && (health.Fits(m.Subject, t.Subject) || t.Source != "" && health.Fits(m.Subject, t.Source)) {
			return m
		}
	}
	return nil
}

// AddMute keeps troubles from raising alerts for a time.
func (s *Spine) AddMute(ctx context.Context, who string, m holdfast.Mute) (holdfast.Mute, error) {
	now := s.Clock.Now().UTC()
	m.Reason, m.Subject = strings.TrimSpace(m.Reason), strings.TrimSpace(m.Subject)
	switch {
	case m.Subject == "" || len(m.Subject) > 1000:
		return m, fmt.Errorf("a mute names what it is about, such as ast-…/journald, or syslog:udp:*: %w", holdfast.ErrInvalid)
	case m.Reason == "":
		return m, fmt.Errorf("a mute wants a reason; give it with --because: %w", holdfast.ErrInvalid)
	case m.Kind != "" && !slices.Contains(health.Kinds(), m.Kind):
		return m, fmt.Errorf("there is no trouble of the kind %q; the kinds are %s: %w", m.Kind, strings.Join(health.Kinds(), ", "), holdfast.ErrInvalid)
	case !m.Expires.After(now) || m.Expires.Sub(now) > mostMute:
		return m, fmt.Errorf("a mute ends, within a year; give it with --for 7d: %w", holdfast.ErrInvalid)
	}
	m.ID, m.By, m.Created, m.Expires = holdfast.NewID("mut"), who, now, m.Expires.UTC()
	return m, s.changeMutes(ctx, who, "health.mute", m, func(all []holdfast.Mute) ([]holdfast.Mute, error) {
		if len(all) >= maxMutes {
			return nil, fmt.Errorf("there are %d mutes already; end some first: %w", len(all), holdfast.ErrRefused)
		}
		return append(all, m), nil
	})
}

// EndMute ends a mute before its time.
func (s *Spine) EndMute(ctx context.Context, who, id string) (m holdfast.Mute, err error) {
	all, err := s.Mutes(ctx)
	if err != nil {
		return m, err
	}
	at := slices.IndexFunc(all, func(x holdfast.Mute) bool { return x.ID == id })
	if at < 0 {
		return m, fmt.Errorf("there is no mute %q; holdfast health mutes lists them: %w", id, holdfast.ErrNotFound)
	}
	m = all[at]
	return m, s.changeMutes(ctx, who, "health.unmute", m, func(all []holdfast.Mute) ([]holdfast.Mute, error) {
		return slices.DeleteFunc(all, func(x holdfast.Mute) bool { return x.ID == id }), nil
	})
}

func (s *Spine) changeMutes(ctx context.Context, who, did string, m holdfast.Mute, change func([]holdfast.Mute) ([]holdfast.Mute, error)) error {
	return s.keepRecord(ctx, "user:"+who, did, m.Subject, m.Reason, m, func(tx *state.Tx) error {
		var all []holdfast.Mute
		text, err := tx.Setting(ctx, mutesSetting)
		if err == nil {
			all, err = readMutes(text, s.Clock.Now())
		} else if errors.Is(err, holdfast.ErrNotFound) {
			err = nil
		}
		if err != nil {
			return err
		}
		if all, err = change(all); err != nil {
			return err
		}
		b, err := json.Marshal(all)
		if err != nil {
			return err
		}
		return tx.SetSetting(ctx, mutesSetting, string(b))
	})
}
