package spine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"holdfast"
	"holdfast/internal/host"
	"holdfast/store/state"
)

// Status looks at the whole pipeline.
func (s *Spine) Status(ctx context.Context) (Status, error) {
	now := s.Clock.Now().UTC()
	st := Status{Version: s.Version, Started: s.started.UTC(), Uptime: now.Sub(s.started).Seconds(), DataDir: s.DataDir, Ledger: []holdfast.LedgerRow{}, Notes: []Trouble{}}
	st.Ingest.Accepting = true
	if err := s.Bus.Room(); err != nil {
		st.Ingest.Accepting, st.Ingest.Why = false, err.Error()
	}
	var err error
	if st.Bus.Last, st.Bus.Bytes, err = s.Bus.Last(ctx); err != nil {
		st.Notes = append(st.Notes, Trouble{"bus", err.Error(), now})
	}
	st.Bus.Written, _ = s.written(ctx)
	st.Bus.Detected = s.looked(ctx)
	stats, err := s.Events.Stats(ctx)
	if err != nil {
		return st, err
	}
	st.Events.Segments, st.Events.Events, st.Events.Bytes = stats.Segments, stats.Events, stats.Bytes
	st.Events.Searches = s.Events.Searching()
	st.Events.Oldest, st.Events.Newest = stats.Oldest, stats.Newest
	st.Events.Raw, st.Events.Written, st.Events.Compaction = stats.Raw, stats.Written, s.Events.Compaction()
	if st.Disk.Free, st.Disk.Total, err = host.Disk(s.DataDir); err != nil {
		st.Notes = append(st.Notes, Trouble{"disk", err.Error(), now})
	}
	st.Disk.Reserve = s.Bus.Reserve()
	if since, err := s.Events.Away(ctx); err != nil {
		st.Notes = append(st.Notes, Trouble{"events", storeAway(since, err).What, since})
	}
	if lost, err := s.Events.Broken(ctx, time.Time{}, time.Time{}); err == nil && lost.Segments > 0 {
		st.Notes = append(st.Notes, Trouble{"events", segmentsLost(now, lost).What, now})
	}
	if st.Ledger, err = s.ledger(ctx); err != nil {
		return st, err
	}
	st.Notes = append(st.Notes, s.troubles(ctx, now)...)
	st.Notes = append(st.Notes, s.searchTroubles(ctx)...)
	if s.Troubles != nil {
		st.Notes = append(st.Notes, s.Troubles()...)
	}
	rules, faults := s.Rules()
	st.Rules = Loaded{len(rules), faults}
	st.Correlation = s.Detect.Stats()
	checks, faults := s.Checks()
	st.Checks = Loaded{len(checks), faults}
	reqs, faults := s.Requirements()
	st.Requirements = Loaded{len(reqs), faults}
	st.Memory.RSS = rss()
	return st, nil
}

// ledger adds what is on its way to what is kept.
func (s *Spine) ledger(ctx context.Context) ([]holdfast.LedgerRow, error) {
	_, waiting := s.written(ctx)
	rows, err := s.State.Ledger(ctx)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		r := &rows[i]
		if w, ok := waiting[r.Source]; ok {
			onItsWay(r, w)
			delete(waiting, r.Source)
		}
		r.Lossy = s.lossy(r.Source)
	}
	for source, w := range waiting {
		r := holdfast.LedgerRow{Source: source, Last: w.Last, Lossy: s.lossy(source)}
		onItsWay(&r, w)
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b holdfast.LedgerRow) int { return strings.Compare(a.Source, b.Source) })
	return rows, nil
}

func (s *Spine) lossy(source string) string {
	for start, why := range s.Lossy {
		if strings.HasPrefix(source, start) {
			return why
		}
	}
	return ""
}

func onItsWay(r *holdfast.LedgerRow, w holdfast.LedgerRow) {
	r.Received += w.Received
	r.Rejected += w.Rejected
	r.Doubled += w.Doubled
	r.Waiting += w.Stored - w.Reparsed + w.DeadLettered
	if w.Last.After(r.Last) {
		r.Last = w.Last
	}
}

func (s *Spine) troubles(ctx context.Context, now time.Time) []Trouble {
	var out []Trouble
	for _, h := range s.Ingest.Health() {
		if h.Trouble != "" {
			out = append(out, Trouble{h.Source, h.Trouble, h.Last})
		}
	}
	assets, err := s.State.Assets().All(ctx, nil)
	if err != nil {
		return append(out, Trouble{"state", err.Error(), now})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range assets {
		for source, note := range s.notes[a.ID] {
			if note != "" {
				out = append(out, Trouble{a.Name + ": " + source, note, a.Seen})
			}
		}
		for _, l := range a.Lacks {
			out = append(out, Trouble{a.Name, l, a.Seen})
		}
		if now.Sub(a.Seen) > time.Minute {
			out = append(out, Trouble{a.Name, "its agent was last seen " + a.Seen.Format(time.RFC3339) + "; nothing is known of the host since", a.Seen})
		}
	}
	return out
}

// Inputs lists the ways in, as they stand.
func (s *Spine) Inputs(ctx context.Context) ([]InputInfo, error) {
	rows, err := s.ledger(ctx)
	if err != nil {
		return nil, err
	}
	trouble := map[string]string{}
	for _, h := range s.Ingest.Health() {
		trouble[h.Source] = h.Trouble
	}
	s.mu.Lock()
	for asset, notes := range s.notes {
		for source, note := range notes {
			trouble[asset+"/"+source] = note
		}
	}
	s.mu.Unlock()
	var out []InputInfo
	for _, r := range rows {
		in := InputInfo{Source: r.Source, Lossy: r.Lossy, Last: r.Last, Received: r.Received, Trouble: trouble[r.Source]}
		if asset, _, ok := strings.Cut(r.Source, "/"); ok && strings.HasPrefix(asset, "ast-") {
			in.Asset = asset
		}
		delete(trouble, r.Source)
		out = append(out, in)
	}
	for source, note := range trouble { // never gave anything
		if note != "" {
			out = append(out, InputInfo{Source: source, Trouble: note})
		}
	}
	return out, nil
}

// rss is the memory that the process holds, in bytes.
func rss() uint64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		var size, resident uint64
		if _, err = fmt.Sscan(string(b), &size, &resident); err == nil {
			return resident * uint64(os.Getpagesize())
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys
}

// Overview puts the loop on one page: each stage with what needs a person now.
func (s *Spine) Overview(ctx context.Context) (Overview, error) {
	v := view{s: s, ctx: ctx, now: s.Clock.Now().UTC()}
	out := Overview{Stages: []StageView{v.control(), v.assess(), v.detect(), v.respond(), v.drill()}}
	return out, errors.Join(v.errs...)
}

type view struct {
	s    *Spine
	ctx  context.Context //nolint:containedctx // lives as long as one answer
	now  time.Time
	errs []error
}

func stage(name string) StageView {
	return StageView{Name: name, State: "ok", Numbers: []Figure{}, Needs: []Need{}}
}

func (x *StageView) number(label string, n int) {
	x.Numbers = append(x.Numbers, Figure{label, fmt.Sprint(n)})
}

func (x *StageView) need(level holdfast.Level, at time.Time, href, format string, args ...any) {
	if len(x.Needs) < 10 {
		x.Needs = append(x.Needs, Need{fmt.Sprintf(format, args...), href, at, level})
	}
	switch {
	case level.Rank() >= holdfast.High.Rank():
		x.State = "broken"
	case x.State == "ok":
		x.State = "attention"
	}
}

func (v *view) control() StageView {
	x := stage("control")
	reqs, faults := v.s.Requirements()
	list, err := v.s.State.Standings().All(v.ctx, nil)
	v.errs = append(v.errs, err)
	broken, unknown, holds := map[string]holdfast.Facet{}, map[string]bool{}, 0
	for _, st := range list {
		for _, f := range []holdfast.Facet{st.Implemented, st.Verified, st.Monitored, st.Drilled} {
			switch f.State {
			case holdfast.Broken:
				broken[st.Requirement] = f
			case holdfast.StateUnknown:
				unknown[st.Requirement] = true
			}
		}
	}
	for _, r := range reqs {
		if _, bad := broken[r.ID]; !bad && !unknown[r.ID] {
			holds++
		}
	}
	x.number("requirements", len(reqs))
	x.number("hold", holds)
	x.number("broken", len(broken))
	x.number("unknown", len(unknown))
	for _, r := range reqs {
		if f, bad := broken[r.ID]; bad {
			x.need(holdfast.High, f.At, "/requirements/"+r.ID, "%s is broken: %s", r.ID, f.Why)
		}
	}
	for _, f := range faults {
		x.need(holdfast.Medium, v.now, "/health", "a requirement was not loaded: %s", f.Error())
	}
	return x
}

func (v *view) assess() StageView {
	x := stage("assess")
	all, err := v.s.State.Verdicts().All(v.ctx, nil)
	v.errs = append(v.errs, err)
	count := map[holdfast.Status]int{}
	for _, d := range all {
		count[d.Status]++
	}
	x.number("pass", count[holdfast.Pass])
	x.number("fail", count[holdfast.Fail])
	x.number("unknown", count[holdfast.Unknown])
	slices.SortStableFunc(all, func(a, b holdfast.Verdict) int { return b.Severity.Rank() - a.Severity.Rank() })
	for _, d := range all {
		if d.Status == holdfast.Fail && d.Severity.Rank() >= holdfast.High.Rank() {
			x.need(d.Severity, d.Since, "/assets/"+d.Asset, "%s: %s", d.Title, d.Why)
		}
	}
	if len(all) == 0 {
		x.State = "unknown"
	}
	return x
}

func (v *view) detect() StageView {
	x := stage("detect")
	rules, faults := v.s.Rules()
	open, total, err := v.s.State.Alerts().List(v.ctx, filterStatus(holdfast.AlertOpen))
	v.errs = append(v.errs, err)
	x.number("rules", len(rules))
	x.number("open alerts", total)
	for _, a := range open {
		if a.Incident == "" && a.Level.Rank() >= holdfast.Medium.Rank() {
			x.need(a.Level, a.Last, "/alerts/"+a.ID, "%s", a.Title)
		}
	}
	for _, f := range faults {
		x.need(holdfast.Medium, v.now, "/health", "a rule was not loaded: %s", f.Error())
	}
	if err := v.s.Bus.Room(); err != nil {
		x.need(holdfast.Critical, v.now, "/health", "events are refused: %s", err)
	}
	return x
}

func (v *view) respond() StageView {
	x := stage("respond")
	live, err := v.s.State.Incidents().All(v.ctx, map[string]string{"live": "true", "drill": ""})
	v.errs = append(v.errs, err)
	slices.SortStableFunc(live, func(a, b holdfast.Incident) int { return b.Rank - a.Rank })
	planned, waiting, err := v.s.State.Actions().List(v.ctx, filterStatus(string(holdfast.Planned)+","+string(holdfast.Approved)))
	v.errs = append(v.errs, err)
	x.number("open incidents", len(live))
	x.number("plans to decide", waiting)
	for _, in := range live {
		x.need(in.Level, in.Updated, "/incidents/"+in.ID, "%s: %s", in.ID, in.Title)
	}
	for _, a := range planned {
		href := "/requirements/" + a.Requirement
		if a.Incident != "" {
			href = "/incidents/" + a.Incident
		}
		x.need(holdfast.Medium, a.Updated, href, "decide on %s: %s", a.Part, a.Why)
	}
	return x
}

func (v *view) drill() StageView {
	x := stage("drill")
	all, total, err := v.s.State.Drills().List(v.ctx, filterStatus(""))
	v.errs = append(v.errs, err)
	newest := map[string]holdfast.Drill{}
	for _, d := range all { // newest first
		if _, ok := newest[d.Kind+d.Asset]; !ok {
			newest[d.Kind+d.Asset] = d
		}
	}
	passed := 0
	for _, d := range newest {
		switch d.Status {
		case holdfast.DrillPassed:
			passed++
		case holdfast.DrillFailed:
			x.need(holdfast.High, d.Ended, "/drills", "%s failed: %s", d.Kind, d.Why)
		}
	}
	x.number("run", total)
	x.number("newest passed", passed)
	if total == 0 {
		x.State = "unknown"
		x.Needs = append(x.Needs, Need{"nothing was drilled yet: run ssh-bruteforce to prove that detection works", "/drills", v.now, holdfast.Low})
	}
	return x
}

func filterStatus(status string) state.Filter {
	f := state.Filter{Limit: 200}
	if status != "" {
		f.Where = map[string]string{"status": status}
	}
	return f
}
