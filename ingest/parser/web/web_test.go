package web_test

import (
	"testing"
	"time"

	"holdfast"
	"holdfast/ingest/parser"
	"holdfast/ingest/parser/web"
)

// more are records of several lines.
var more = []string{
	"#Date: 2026-11-23 00:00:00\n#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status time-taken\n" +
		"2026-11-23 02:09:06 198.51.100.9 GET /a/%2e%2e/b.aspx x=%27 443 - 192.0.2.7 Mozilla/5.0+(X11) - 404 15",
}

func TestIIS(t *testing.T) {
	got, err := web.Parser().Parse([]byte(more[0]), parser.Hint{})
	if err != nil {
		t.Fatal(err)
	}
	e := holdfast.Event{Fields: got.Fields}
	if got.Dataset != "web.access" || !got.Time.Equal(time.Date(2026, 11, 23, 2, 9, 6, 0, time.UTC)) {
		t.Errorf("%+v", got)
	}
	for name, want := range map[string]string{
		"cs-uri": "/a/%2e%2e/b.aspx?x=%27", "cs-uri-stem": "/a/%2e%2e/b.aspx", "uri_decoded": "/a/../b.aspx?x='",
		"cs-user-agent": "Mozilla/5.0 (X11)", "sc-status": "404", "c-ip": "192.0.2.7", "s-port": "443",
	} {
		if e.Text(name) != want {
			t.Errorf("%s: %q, want %q", name, e.Text(name), want)
		}
	}
	if _, err := web.Parser().Parse([]byte("#Fields: a b c\n1 2"), parser.Hint{}); err == nil {
		t.Error("a line that does not fit its header passed")
	}
}
