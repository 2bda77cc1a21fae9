package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast"
	"holdfast/query"
)

// The window around an event in which its process tree is looked for, and how
// much of it is told.
const (
	treeBefore = 24 * time.Hour
	treeAfter  = 4 * time.Hour
	treeStarts = 20_000
	treeNodes  = 300
	treeUp     = 30
)

// ProcessTree is the process of an event with those that started it and those
// that it started.
type ProcessTree struct {
	By    string        `json:"by" enum:"guid,pid" doc:"what ties the processes together: ids that no two have, or numbers of processes, which hosts use again"`
	Nodes []ProcessNode `json:"nodes" doc:"in the order in which a tree is written, each after its parent"`
	More  bool          `json:"more" doc:"there are more than are told"`
	From  time.Time     `json:"from"`
	To    time.Time     `json:"to"`
}

// ProcessNode is one process of a tree.
type ProcessNode struct {
	Depth   int       `json:"depth"`
	Event   string    `json:"event,omitempty" doc:"the event that tells of its start; empty where only its children name it"`
	Time    time.Time `json:"time,omitzero"`
	ID      string    `json:"id"`
	Image   string    `json:"image"`
	Command string    `json:"command"`
	User    string    `json:"user"`
	Of      bool      `json:"of" doc:"the process of the event that was asked for"`
	Role    string    `json:"role" enum:"ancestor,self,descendant"`
}

// started is the start of a process, as an event tells of it.
type started struct {
	event, id, parent           string
	time                        time.Time
	image, command, user, above string
}

func (a *API) tree() {
	add(a, route{"GET", "/events/{id}/processes", "event.query", "The tree of processes around an event", "event"}, func(ctx context.Context, in *ByID) (*One[ProcessTree], error) {
		return one(a.processTree(ctx, in.ID))
	})
}

func (a *API) processTree(ctx context.Context, text string) (out ProcessTree, err error) {
	var id holdfast.EventID
	if err := id.UnmarshalText([]byte(text)); err != nil {
		return out, err
	}
	ctx, cancel := context.WithTimeout(ctx, QueryTimeout)
	defer cancel()
	e, err := a.Events.Event(ctx, id)
	if err != nil {
		return out, err
	}
	own, by := processOf(&e)
	host := a.hostOf(&e)
	if by == "" || host == "" {
		return out, fmt.Errorf("this event names no process by ProcessGuid, or by ProcessId and host: %w", holdfast.ErrNotFound)
	}
	out.By, out.From, out.To = by, e.Time.Add(-treeBefore), e.Time.Add(treeAfter)
	all, more, err := a.starts(ctx, host, by, out.From, out.To)
	if err != nil {
		return out, err
	}
	out.Nodes, out.More = grow(all, own, e.Time)
	out.More = out.More || more
	return out, nil
}

// processOf says which process an event is about.
func processOf(e *holdfast.Event) (id, by string) {
	if g := e.Text("ProcessGuid"); g != "" {
		return g, "guid"
	}
	if p := e.Text("NewProcessId"); p != "" {
		return p, "pid"
	}
	if p := cmp.Or(e.Text("ProcessId"), e.Text("pid")); p != "" {
		return p, "pid"
	}
	return "", ""
}

func (a *API) hostOf(e *holdfast.Event) string {
	d := a.Datasets[e.Dataset]
	for _, x := range d.Entities(e) {
		if x.Kind == holdfast.EntityHost {
			return x.Value
		}
	}
	return ""
}

// startsOf are the searches for starts of processes: by ids of Sysmon, or by
// the numbers that Windows' own log and Linux' audit log have.
var startsOf = map[string]string{
	"guid": `events | where ['host.name'] == %s and isnotempty(ParentProcessGuid) and isnotempty(ProcessGuid)
		| project id, time, self=tostring(ProcessGuid), parent=tostring(ParentProcessGuid), image=tostring(Image), command=tostring(CommandLine), by=tostring(User), above=tostring(ParentImage)
		| order by time desc`,
	"pid": `events | where ['host.name'] == %s and (isnotempty(NewProcessId) or isnotempty(ParentProcessId))
		| project id, time, self=iff(isnotempty(NewProcessId), tostring(NewProcessId), tostring(ProcessId)), parent=iff(isnotempty(NewProcessId), tostring(ProcessId), tostring(ParentProcessId)),
			image=coalesce(tostring(NewProcessName), tostring(Image)), command=tostring(CommandLine), by=coalesce(tostring(User), tostring(SubjectUserName)), above=coalesce(tostring(ParentProcessName), tostring(ParentImage))
		| order by time desc`,
}

// starts reads what a host started in a span of time, the oldest first.
func (a *API) starts(ctx context.Context, host, by string, from, to time.Time) (out []started, more bool, err error) {
	q, err := query.Parse(fmt.Sprintf(startsOf[by], query.Quoted(host)), a.Clock.Now())
	if err != nil {
		return nil, false, err
	}
	o := a.options(from, to)
	o.MaxRows = treeStarts
	st, err := query.CompileWith(q, o)
	if err != nil {
		return nil, false, err
	}
	res, err := a.ask(ctx, st, treeStarts)
	if err != nil {
		return nil, false, err
	}
	for _, row := range slices.Backward(res.Rows) {
		if len(row) != 8 {
			return nil, false, errors.New("the store answered with other columns than it was asked for")
		}
		s := started{event: cell(row[0]), id: cell(row[2]), parent: cell(row[3]), image: cell(row[4]), command: cell(row[5]), user: cell(row[6]), above: cell(row[7])}
		s.time, _ = row[1].(time.Time)
		if s.id != "" {
			out = append(out, s)
		}
	}
	return out, res.Truncated, nil
}

func cell(v any) string {
	s, _ := v.(string)
	if len(s) > maxFacetValue {
		s = strings.ToValidUTF8(s[:maxFacetValue], "") + "…"
	}
	return s
}

// grow makes the tree around a process out of starts, which are in the order of
// time. A number that a host used again means the last start before.
func grow(all []started, own string, at time.Time) (out []ProcessNode, more bool) {
	byID := map[string][]int{}
	for i, s := range all {
		byID[s.id] = append(byID[s.id], i)
	}
	before := func(id string, t time.Time) int {
		found := -1
		for _, i := range byID[id] {
			if found < 0 || !all[i].time.After(t) {
				found = i
			}
		}
		if found >= 0 && all[found].time.After(t.Add(time.Second)) {
			return -1
		}
		return found
	}
	children := map[int][]int{}
	parent := make([]int, len(all))
	for i, s := range all {
		parent[i] = -1
		if p := before(s.parent, s.time); p >= 0 && p != i {
			parent[i] = p
			children[p] = append(children[p], i)
		}
	}
	self := before(own, at)
	if self < 0 {
		return append(out, ProcessNode{ID: own, Of: true, Role: "self"}), false
	}
	path := []int{self}
	for i := parent[self]; i >= 0 && !slices.Contains(path, i); i = parent[i] {
		if len(path) == treeUp {
			more = true
			break
		}
		path = append(path, i)
	}
	node := func(i, depth int, role string) ProcessNode {
		s := all[i]
		return ProcessNode{Depth: depth, Event: s.event, Time: s.time, ID: s.id, Image: s.image, Command: s.command, User: s.user, Of: i == self, Role: role}
	}
	if top := all[path[len(path)-1]]; top.parent != "" && !more { // told of by its child only
		out = append(out, ProcessNode{ID: top.parent, Image: top.above, Role: "ancestor"})
	}
	for _, i := range slices.Backward(path[1:]) {
		out = append(out, node(i, len(out), "ancestor"))
	}
	seen := map[int]bool{}
	var down func(i, depth int, role string)
	down = func(i, depth int, role string) {
		if seen[i] || depth > 2*treeUp || len(out) >= treeNodes {
			more = more || !seen[i]
			return
		}
		seen[i] = true
		out = append(out, node(i, depth, role))
		for _, c := range children[i] {
			down(c, depth+1, "descendant")
		}
	}
	down(self, len(out), "self")
	return out, more
}
