package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"holdfast"
	"holdfast/agent/port"
	"holdfast/api/account"
	"holdfast/assess"
	"holdfast/content"
	"holdfast/control"
	"holdfast/detect"
	"holdfast/drill"
	"holdfast/ingest"
	"holdfast/ingest/geoip"
	parsers "holdfast/ingest/parser/all"
	"holdfast/internal/host"
	"holdfast/internal/turn"
	"holdfast/respond"
	"holdfast/spine"
	"holdfast/store/bus"
	"holdfast/store/events"
	"holdfast/store/evidence"
)

// open opens the stores and stages, from below.
func (h *house) open(ctx context.Context) (err error) {
	in := func(name string) string { return filepath.Join(h.cfg.Data, name) }
	if err = h.openState(ctx); err != nil {
		return err
	}
	h.close = append(h.close, h.state.Close)
	after, err := spine.ReadUpto(ctx, h.state)
	if err != nil {
		return err
	}
	if h.bus, err = bus.Open(ctx, bus.Options{Dir: in("bus"), URL: h.cfg.Bus, Reserve: h.cfg.Reserve, After: after, Log: h.log}); err != nil {
		return err
	}
	h.close = append(h.close, h.bus.Close)
	if err := h.joinCluster(ctx); err != nil {
		return err
	}
	h.turns = turn.New(runtime.NumCPU() / 2)
	where, far := in("events"), ""
	switch {
	case events.IsClickHouse(h.cfg.Events):
		where, far = in("spool"), h.cfg.Events
	case h.cfg.Events != "":
		where = h.cfg.Events
	}
	if h.events, err = events.Open(ctx, events.Options{Dir: where, ClickHouse: far, Shared: h.node.run != "", Manifest: h.state, Memory: h.memory.limit(), Clock: h.clock, Log: h.log, Turns: h.turns, Bus: h.bus.Span, Reserve: 2 * h.cfg.Reserve}); err != nil {
		return err
	}
	h.close = append(h.close, h.events.Close)
	if err := h.keys(ctx); err != nil {
		return err
	}
	if h.accounts, err = account.New(accountBook{h.state}, h.clock); err != nil {
		return err
	}
	return h.stages(ctx)
}

// keys reads the server's keys, or makes them at the first start.
func (h *house) keys(ctx context.Context) error {
	if err := h.openEvidence(ctx); err != nil {
		return err
	}
	task, err := h.state.SettingOr(ctx, "task.key", func() (string, error) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return base64.StdEncoding.EncodeToString(key), err
	})
	if err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(task)
	if err != nil || len(raw) != ed25519.PrivateKeySize {
		return fmt.Errorf("the task key in the state is damaged: %w", holdfast.ErrInvalid)
	}
	h.taskKey = raw
	ca, err := h.state.SettingOr(ctx, "agents.ca", func() (string, error) {
		ca, err := port.NewCA(h.clock.Now())
		if err != nil {
			return "", err
		}
		b, err := ca.PEM()
		return string(b), err
	})
	if err != nil {
		return err
	}
	if h.ca, err = port.LoadCA([]byte(ca)); err != nil {
		return err
	}
	if err := h.cfg.syslogCertificate(); err != nil {
		return err
	}
	if h.cfg.secure() {
		h.tls, h.certPEM, err = serverTLS(h.cfg)
	}
	return err
}

// openEvidence opens the evidence log if this node keeps it.
func (h *house) openEvidence(ctx context.Context) error {
	if h.node.evidence != h.node.id {
		return nil
	}
	private, err := h.state.SettingOr(ctx, "evidence.key", func() (string, error) {
		private, public, err := evidence.NewKey()
		if err != nil {
			return "", err
		}
		return private, host.WriteAtomic(filepath.Join(h.cfg.Data, evidencePublic), []byte(public+"\n"), 0o644)
	})
	if err != nil {
		return err
	}
	if h.evidence, err = evidence.Open(filepath.Join(h.cfg.Data, "evidence"), private); err != nil {
		return err
	}
	h.close = append(h.close, h.evidence.Close)
	return h.ownEvidence(ctx)
}

// ownEvidence makes sure that the log has all that the state knows to have been in it.
// What was lost is said in the log itself, for good, and does not stop the server: it
// is needed most where somebody takes evidence away.
func (h *house) ownEvidence(ctx context.Context) error {
	known, err := h.state.Setting(ctx, spine.EvidenceCheckpoint)
	if errors.Is(err, holdfast.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	lost, err := h.evidence.Own(known)
	if err != nil || lost == "" {
		return err
	}
	h.log.Error("the evidence log is not the one that was there: stop, restore the folder from a copy, and start again; what is recorded from now on says so", "folder", filepath.Join(h.cfg.Data, "evidence"), "lost", lost)
	detail, err := json.Marshal(map[string]string{"checkpoint": known})
	if err != nil {
		return err
	}
	return h.evidence.Append(ctx, holdfast.Evidence{Key: holdfast.StableID("evd", known), At: h.clock.Now().UTC(), Who: "holdfast", Did: evidence.Lost, On: "evidence", Outcome: lost, Detail: detail})
}

func (h *house) stages(ctx context.Context) error {
	drills := &drill.Runner{Clock: h.clock, Log: h.log}
	var at func(fields []holdfast.Field, of, address string) []holdfast.Field
	if len(h.cfg.GeoIP) > 0 {
		h.places = geoip.New(h.cfg.GeoIP, h.log)
		at = h.places.Append
	}
	h.ingest = ingest.New(ingest.Options{
		Parsers: parsers.All(), Bus: h.bus, Clock: h.clock, Log: h.log, Turns: h.turns,
		Drill: func(text string) string { return h.spine.Marker(text) }, // nothing comes in before the spine is there
		Asset: func(name string) string { return h.spine.AssetOf(name) }, Places: at,
	})
	detector := detect.New(detect.Options{Datasets: h.ingest.Datasets(), Clock: h.clock, Log: h.log})
	assessor := assess.New(assess.Options{Clock: h.clock, Log: h.log})
	book := control.New(control.Options{Clock: h.clock, Log: h.log, Management: h.cfg.Management})
	for _, x := range []struct {
		folder string
		load   func(shipped fs.FS, user string) holdfast.Faults
	}{
		{"rules", func(f fs.FS, user string) holdfast.Faults {
			if h.cfg.OwnRules {
				return detector.Load(detect.Dir(user))
			}
			return detector.Load(detect.Source{Name: "shipped/rules", FS: f}, detect.Dir(user))
		}},
		{"checks", func(f fs.FS, user string) holdfast.Faults {
			return assessor.Load(assess.Source{Name: "shipped/checks", FS: f}, assess.Source{Name: user, FS: os.DirFS(user)})
		}},
		{"requirements", func(f fs.FS, user string) holdfast.Faults {
			return book.Load(control.Source{Name: "shipped/requirements", FS: f}, control.Source{Name: user, FS: os.DirFS(user)})
		}},
	} {
		user := filepath.Join(h.cfg.Data, x.folder)
		if err := os.MkdirAll(user, 0o700); err != nil {
			return err
		}
		shipped, err := fs.Sub(content.FS, x.folder)
		if err != nil {
			return err
		}
		if faults := x.load(shipped, user); len(faults) > 0 {
			h.log.Warn("some "+x.folder+" were not loaded; the rest is in force", "faults", faults.Error())
		}
	}
	auto := map[string]bool{}
	for _, p := range h.cfg.AutoApprove {
		auto[p] = true
	}
	keep, err := h.cfg.retention()
	if err != nil {
		return err
	}
	limits, err := h.cfg.limits()
	if err != nil {
		return err
	}
	h.spine, err = spine.New(ctx, spine.Options{
		State: h.state, Bus: h.bus, Events: h.events, Evidence: h.evidence, Ingest: h.ingest, Detect: detector, Assess: checks{assessor}, Control: book,
		Respond: &respond.Runner{Parts: parts(), AutoApprove: auto, Clock: h.clock, Log: h.log}, Drills: drills,
		Lossy: lossy(), CA: h.ca, TaskKey: h.taskKey, Parts: catalogues(), Clock: h.clock, Log: h.log, Version: version, DataDir: h.cfg.Data, Node: h.node.run, NodeID: h.node.id, Roles: h.node.roles, Retention: keep, Health: limits,
		Troubles: h.troubles,
	})
	return err
}

// troubles are those of the program around the loop.
func (h *house) troubles() []spine.Trouble {
	now := h.clock.Now().UTC()
	out := h.cfg.drifted(now)
	if h.places != nil {
		for file, why := range h.places.Troubles() {
			out = append(out, spine.Trouble{Source: file, Trouble: why + "; it is read again when it changes", At: now})
		}
	}
	return out
}
