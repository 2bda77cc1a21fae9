package s3

import (
	"bytes"
	"testing"
	"time"

	"holdfast"
	"holdfast/ingest/input"
)

func FuzzObject(f *testing.F) {
	for _, s := range []string{
		`{"Records":[{"a":1}, 2]}`, "version account-id srcaddr dstaddr\n2 1 - -\n", "one\r\n\ntwo",
		`{"messageType":"DATA_MESSAGE","logEvents":[{"message":"m"}]}{}`, "\x1f\x8b\x08", "\x28\xb5\x2f\xfd", "PAR1",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		read := func() (ids []holdfast.EventID, err error) {
			x := taking{source: "s", key: "k", now: time.Now, put: func(records []holdfast.Record) error {
				for i := range records {
					if len(records[i].Raw) > input.MaxRecord {
						t.Errorf("a record of %d bytes", len(records[i].Raw))
					}
					ids = append(ids, holdfast.NewEventID(records[i].Source, records[i].Position, records[i].Raw, 0))
				}
				return nil
			}}
			err = x.take(bytes.NewReader(b))
			return ids, err
		}
		first, err := read()
		again, err2 := read()
		if (err == nil) != (err2 == nil) || len(first) != len(again) {
			t.Fatal("read again, it is another")
		}
		seen := map[holdfast.EventID]bool{}
		for i := range first {
			if first[i] != again[i] || seen[first[i]] {
				t.Fatal("an id that changes, or stands twice")
			}
			seen[first[i]] = true
		}
	})
}

func FuzzNotice(f *testing.F) {
	f.Add(`{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"a+b"}}}]}`)
	f.Add(`{"Type":"Notification","Message":"{\"Event\":\"s3:TestEvent\"}"}`)
	f.Add(`{"detail-type":"Object Created","detail":{"bucket":{"name":"b"},"object":{"key":"k"}}}`)
	f.Fuzz(func(t *testing.T, body string) {
		list, err := objects(body)
		if err == nil && len(list) > maxObjects {
			t.Error("too many objects")
		}
		for _, o := range list {
			if o.bucket == "" || o.key == "" {
				t.Error("an object without a name")
			}
		}
	})
}
