package http_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"holdfast"
)

// TestPushed holds that a message which Pub/Sub pushes again, as it does until it
// hears an answer in time, is the same record, however it is written and with the
// token in the address; and that what only begins like one is read as ever.
func TestPushed(t *testing.T) {
	const message = `"message":{"data":"eyJhIjoxfQ==","messageId":"2070443601311540","publishTime":"2026-11-23T02:09:08.5Z"},"subscription":"projects/shop/subscriptions/holdfast"`
	s := &sink{}
	server := httptest.NewServer(handler(s))
	defer server.Close()
	send := func(body, query string) []holdfast.Record {
		t.Helper()
		before := len(s.records)
		resp, err := server.Client().Post(server.URL+"/ingest/v1/events"+query, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", body, resp.Status)
		}
		return s.records[before:]
	}
	id := func(r holdfast.Record) holdfast.EventID { return holdfast.NewEventID(r.Source, r.Position, r.Raw, 0) }
	first := send("{"+message+"}", "?token=good")
	if len(first) != 1 || string(first[0].Raw) != "{"+message+"}" || first[0].Position != "pubsub:projects/shop/subscriptions/holdfast:2070443601311540:1" {
		t.Fatalf("%+v", first)
	}
	for _, again := range []string{"{" + message + "}\n", `{"deliveryAttempt":2,` + message + "}", `{"deliveryAttempt":17,` + message + "}"} {
		if got := send(again, "?token=good"); len(got) != 1 || id(got[0]) != id(first[0]) {
			t.Errorf("%s is another record: %+v", again, got)
		}
	}
	long := `{"message":{"data":"` + strings.Repeat("A", 1<<20) + `","messageId":"1"}}`
	for body, want := range map[string]string{
		`{"message":{"text":"hello"}}` + "\n" + `{"message":{"text":"there"}}`: `[{"message":{"text":"hello"}} {"message":{"text":"there"}}]`,
		"{\n  \"message\": \"over lines\"\n}":                                  "[{\n  \"message\": \"over lines\"\n}]",
		"{\n}\n{\n}":                                                           "[{\n} {\n}]",
		`{"receivedMessages":[{"ackId":"a",` + message + `},{"ackId":"b",` + message + `}]}`: `[{"ackId":"a",` + message + `} {"ackId":"b",` + message + `}]`,
		`[{"ackId":"a",` + message + `}]`: `[{"ackId":"a",` + message + `}]`,
		`{"message":{"data":"eyJhIjoxfQ==","messageId":"` + strings.Repeat("1", 201) + `"},"subscription":"s"}`: `[{"message":{"data":"eyJhIjoxfQ==","messageId":"` + strings.Repeat("1", 201) + `"},"subscription":"s"}]`,
		`{"message":{`: `[{"message":{]`,
		long:           "[" + long[:1<<20] + " " + long[1<<20:] + "]",
	} {
		var raw [][]byte
		for _, r := range send(body, "?token=good") {
			if strings.HasPrefix(r.Position, "pubsub:") {
				t.Errorf("%.100s is taken for a message of Pub/Sub", body)
			}
			raw = append(raw, r.Raw)
		}
		if got := fmt.Sprintf("%s", raw); got != want {
			t.Errorf("%.100q became %.200q", body, got)
		}
	}
	resp, err := server.Client().Post(server.URL+"/x?token=bad", "application/json", bytes.NewReader(nil))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Error(resp.Status)
	}
}
