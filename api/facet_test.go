package api

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func answer[T any](t *testing.T, a *API, token, path string, in map[string]any) (out T) {
	t.Helper()
	w := post(t, a, token, path, in)
	if w.Code != 200 {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestFacets(t *testing.T) {
	a, token := stocked(t)
	got := answer[Facets](t, a, token, "/query/fields", map[string]any{"q": `n:<3 | project src_ip`})
	want := []OfField{
		{Name: "dataset", Kind: "event", Events: 3, Different: 1},
		{Name: "source", Kind: "event", Events: 3, Different: 1},
		{Name: "n", Kind: "native", Events: 3, Different: 3},
		{Name: "src_ip", Kind: "native", ECS: "client.ip", Events: 3, Different: 3},
	}
	if diff := cmp.Diff(want, got.Fields); diff != "" || got.Total != 3 || got.More {
		t.Errorf("%s\n%+v", diff, got)
	}
	if w := post(t, a, token, "/query/fields", map[string]any{"q": "datatable(a:string)['x']"}); w.Code != 422 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	v := answer[FacetValues](t, a, token, "/query/values", map[string]any{"q": "", "field": "client.ip", "limit": 2, "like": "192"})
	if v.Total != 5 || v.Different != 5 || len(v.Values) != 2 || v.Values[0].Value != "192.0.2.0" || v.Values[0].Events != 1 || v.Values[0].First.IsZero() {
		t.Errorf("%+v", v)
	}
	for _, hostile := range []string{`x"]' | union events`, "\u202e", `/~1\`} {
		if v := answer[FacetValues](t, a, token, "/query/values", map[string]any{"q": "", "field": hostile, "like": hostile}); v.Total != 0 || len(v.Values) != 0 {
			t.Errorf("%q: %+v", hostile, v)
		}
	}
}

func TestTail(t *testing.T) {
	a, token := stocked(t)
	in := map[string]any{"q": "dataset:linux.sshd", "limit": 2}
	first := answer[Tailed](t, a, token, "/query/tail", in)
	if len(first.Rows) != 2 || first.New != 5 || time.Since(first.After) > time.Minute {
		t.Fatalf("%+v", first)
	}
	in["after"] = first.After
	if again := answer[Tailed](t, a, token, "/query/tail", in); again.New != 0 || len(again.Rows) != 1 || !again.After.Equal(first.After) {
		t.Errorf("%+v", again)
	}
	if w := post(t, a, token, "/query/tail", map[string]any{"q": "events | count"}); w.Code != 422 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestGrow(t *testing.T) {
	at := func(n int) time.Time { return time.Unix(int64(1000*n), 0) }
	all := []started{
		{event: "e1", id: "10", parent: "1", time: at(1), image: "sshd", above: "systemd"},
		{event: "e2", id: "20", parent: "10", time: at(2), image: "bash"},
		{event: "e3", id: "30", parent: "20", time: at(3), image: "curl"},
		{event: "e4", id: "20", parent: "10", time: at(4), image: "bash again"}, // a number used twice
		{event: "e5", id: "40", parent: "20", time: at(5), image: "rm"},
		{event: "e6", id: "50", parent: "50", time: at(6), image: "its own parent"},
	}
	say := func(nodes []ProcessNode) (out []string) {
		for _, n := range nodes {
			out = append(out, fmt.Sprintf("%d %s %s", n.Depth, n.Role, n.Image))
		}
		return out
	}
	for _, c := range []struct {
		own  string
		at   time.Time
		want []string
	}{
		{"20", at(2), []string{"0 ancestor systemd", "1 ancestor sshd", "2 self bash", "3 descendant curl"}},
		{"20", at(9), []string{"0 ancestor systemd", "1 ancestor sshd", "2 self bash again", "3 descendant rm"}},
		{"50", at(9), []string{"0 ancestor ", "1 self its own parent"}},
		{"60", at(9), []string{"0 self "}},
	} {
		got, more := grow(all, c.own, c.at)
		if diff := cmp.Diff(c.want, say(got)); diff != "" || more {
			t.Errorf("%s: %s", c.own, diff)
		}
	}
	var long []started
	for i := range 1000 {
		long = append(long, started{id: fmt.Sprint(i + 1), parent: fmt.Sprint(i), time: at(i)})
	}
	if got, more := grow(long, "500", at(2000)); !more || len(got) > treeNodes+treeUp {
		t.Errorf("%d nodes, more %v", len(got), more)
	}
}
