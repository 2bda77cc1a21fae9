package spine

import (
	"testing"

	"holdfast"
)

func TestSSHPort(t *testing.T) {
	listeners := func(rows ...holdfast.Row) holdfast.Table { return holdfast.Table{Rows: rows} }
	for name, c := range map[string]struct {
		tables map[string]holdfast.Table
		want   int
	}{
		"by the process": {map[string]holdfast.Table{"listeners": listeners(
			holdfast.Row{"port": int64(80), "process": "nginx"}, holdfast.Row{"port": int64(2222), "process": "sshd"})}, 2222},
		"by the settings, where nobody may see processes": {map[string]holdfast.Table{
			"listeners": listeners(holdfast.Row{"port": int64(2202), "process": ""}),
			"sshd":      listeners(holdfast.Row{"port": []any{"2201", "2202"}}),
		}, 2202},
		"by the settings alone, while sshd starts again": {map[string]holdfast.Table{
			"listeners": listeners(holdfast.Row{"port": int64(80), "process": "nginx"}),
			"sshd":      listeners(holdfast.Row{"port": []any{"2201", "2202"}}),
		}, 2201},
		"a setting that is no port": {map[string]holdfast.Table{"sshd": listeners(holdfast.Row{"port": []any{"0", "-1", "70000", "x"}})}, 0},
		"no sshd":                   {map[string]holdfast.Table{"listeners": listeners(holdfast.Row{"port": int64(80), "process": "nginx"})}, 0},
	} {
		if got := sshPort(holdfast.Facts{Tables: c.tables}); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
