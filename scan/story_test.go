package scan

import (
	"context"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/content"
	"holdfast/detect/engine"
	"holdfast/detect/sigma"
	parsers "holdfast/ingest/parser/all"
)

// brute is the shipped rule for guessed passwords, with what it refers to.
func brute(t testing.TB) Options {
	t.Helper()
	var set sigma.Set
	for _, name := range []string{"ssh_bruteforce", "ssh_login_failed"} {
		b, err := content.FS.ReadFile("rules/linux/" + name + ".yml")
		if err != nil {
			t.Fatal(err)
		}
		one, faults := sigma.Parse(name, b)
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		set.Add(one)
	}
	eng, faults := engine.New(set.Rules, nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return Options{Parsers: parsers.All(), Engine: eng, Rules: set.Rules, Correlations: set.Correlations}
}

func scanned(t testing.TB, o Options) (out []string, sum Summary) {
	t.Helper()
	o.Found = func(m *Match) {
		for i := 1; i < len(m.Events); i++ {
			if m.Events[i].Time.Before(m.Events[i-1].Time) {
				t.Errorf("%s: events are not in order", m.Why)
			}
		}
		out = append(out, fmt.Sprintf("%s %s %d %s %s", m.Kind, m.Why, m.Count, m.First.Format("15:04:05"), m.Host))
	}
	sum, err := Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out, sum
}

// TestCorrelate spreads attacks over many files in any order, among logins that
// are none: the same alerts come of it as of one file in order, also when most
// of the hits have to be written out meanwhile.
func TestCorrelate(t *testing.T) {
	var lines []string
	for attacker := range 40 {
		for i := range 3 + attacker%5 { // five and more are an attack
			lines = append(lines, fmt.Sprintf("Nov 23 %02d:%02d:%02d web-%d sshd[4242]: Failed password for admin from 192.0.2.%d port 50122 ssh2", 5+attacker/10, attacker, 4*i, attacker%3, attacker))
		}
	}
	one := t.TempDir()
	write(t, filepath.Join(one, "auth.log"), lines)
	o := brute(t)
	o.Paths = []string{one}
	want, sum := scanned(t, o)
	if len(want) != 24 || sum.Correlated != uint64(len(lines)) || !strings.HasPrefix(want[0], "correlation 5 events by source.ip=192.0.2.") {
		t.Fatalf("%d alerts of %d hits: %q", len(want), sum.Correlated, want)
	}

	rng := rand.New(rand.NewSource(7))
	rng.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	many := t.TempDir()
	for i := range 10 {
		write(t, filepath.Join(many, fmt.Sprintf("auth.log.%d", i)), lines[i*len(lines)/10:(i+1)*len(lines)/10])
	}
	o.Paths, o.Workers = []string{many}, 4
	if got, _ := scanned(t, o); !slices.Equal(got, want) {
		t.Errorf("over files: %q\nin order: %q", got, want)
	}
	st, err := newStory(o.Rules, o.Correlations)
	if err != nil {
		t.Fatal(err)
	}
	st.full = 2000
	defer st.close()
	if got := storied(t, o, st); !slices.Equal(got, want) || len(st.runs) < 5 {
		t.Errorf("with %d files of hits: %q\nin order: %q", len(st.runs), got, want)
	}
}

// storied scans with a story that was made beforehand.
func storied(t *testing.T, o Options, st *story) (out []string) {
	t.Helper()
	o.Found = func(m *Match) {
		out = append(out, fmt.Sprintf("%s %s %d %s %s", m.Kind, m.Why, m.Count, m.First.Format("15:04:05"), m.Host))
	}
	s := newScan(o)
	s.story = st
	if err := s.all(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := s.tell(context.Background()); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func write(t *testing.T, path string, lines []string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}
