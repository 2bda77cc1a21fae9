package s3_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/ingest/input/s3"
	"holdfast/internal/clock"
)

// cloud is a server of ours that speaks what the documents of S3 and SQS say,
// as far as it is used here.
type cloud struct {
	mu       sync.Mutex
	files    map[string][]byte // "/bucket/key"
	messages map[string]string // by id
	hidden   map[string]bool
	change   chan struct{} // closed and made anew on every change
	longer   int
	refuse   int // so many removals
	next     int
}

func newCloud() *cloud {
	return &cloud{files: map[string][]byte{}, messages: map[string]string{}, hidden: map[string]bool{}, change: make(chan struct{})}
}

func (c *cloud) changed() { close(c.change); c.change = make(chan struct{}) }

func (c *cloud) send(body string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	c.messages[strconv.Itoa(c.next)] = body
	c.changed()
}

// expire is what happens when the time passes for which messages are hidden.
func (c *cloud) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.hidden)
	c.changed()
}

// until waits until ok holds.
func (c *cloud) until(t *testing.T, ok func() bool) {
	t.Helper()
	for {
		c.mu.Lock()
		done, change := ok(), c.change
		c.mu.Unlock()
		if done {
			return
		}
		select {
		case <-change:
		case <-t.Context().Done():
			t.Fatal("the test was told to end")
		}
	}
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.Contains(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=us/") {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	op, is := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")
	if !is {
		c.mu.Lock()
		b, ok := c.files[r.URL.Path]
		c.mu.Unlock()
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>`)
			return
		}
		_, _ = w.Write(b)
		return
	}
	var in struct{ ReceiptHandle string }
	_ = json.NewDecoder(r.Body).Decode(&in)
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	switch op {
	case "ReceiveMessage":
		c.receive(w, r)
	case "DeleteMessage":
		c.mu.Lock()
		defer c.mu.Unlock()
		defer c.changed()
		if c.refuse > 0 {
			c.refuse--
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"__type":"com.amazonaws.sqs#ReceiptHandleIsInvalid","message":"expired"}`)
			return
		}
		delete(c.messages, in.ReceiptHandle)
		fmt.Fprint(w, "{}")
	case "ChangeMessageVisibility":
		c.mu.Lock()
		defer c.mu.Unlock()
		c.longer++
		c.changed()
		fmt.Fprint(w, "{}")
	}
}

func (c *cloud) receive(w http.ResponseWriter, r *http.Request) {
	for {
		c.mu.Lock()
		change := c.change
		for id, body := range c.messages {
			if c.hidden[id] {
				continue
			}
			c.hidden[id] = true
			c.mu.Unlock()
			sum := md5.Sum([]byte(body))
			_ = json.NewEncoder(w).Encode(map[string]any{"Messages": []any{map[string]any{
				"MessageId": id, "ReceiptHandle": id, "Body": body, "MD5OfBody": hex.EncodeToString(sum[:]),
			}}})
			return
		}
		c.mu.Unlock()
		select {
		case <-change:
		case <-r.Context().Done():
			return
		}
	}
}

// sink keeps what it is given, by id, as the store does.
type sink struct {
	mu    sync.Mutex
	seen  map[holdfast.EventID]string
	puts  int
	after func(puts int) error
}

func (s *sink) Put(_ context.Context, records []holdfast.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range records {
		r := &records[i]
		s.seen[holdfast.NewEventID(r.Source, r.Position, r.Raw, 0)] = string(r.Raw)
	}
	s.puts++
	if s.after != nil {
		return s.after(s.puts)
	}
	return nil
}

func start(t *testing.T, c *cloud, s *sink, note func(string, string), options ...string) (stop func()) {
	t.Helper()
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	server := httptest.NewServer(c)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("word\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := input.Config{Kind: "s3", Where: server.URL + "/1/queue", Options: map[string]string{
		"endpoint": server.URL, "region": "eu-central-1", "path-style": "true", "access-key": "us", "secret-file": secret, "workers": "1",
	}}
	for i := 0; i+1 < len(options); i += 2 {
		cfg.Options[options[i]] = options[i+1]
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- s3.Input().Run(ctx, cfg, input.Env{Sink: s, Log: slog.New(slog.DiscardHandler), Clock: clock.System{}, Note: note})
	}()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		server.Close()
	})
}

func made(key string) string {
	return `{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"logs"},"object":{"key":"` + key + `"}}}]}`
}

func packed(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

func TestForms(t *testing.T) {
	z, _ := zstd.NewWriter(nil)
	c, s := newCloud(), &sink{seen: map[holdfast.EventID]string{}}
	c.files["/logs/a b.json.gz"] = packed([]byte(`{"Records":[{"eventID":"1"}, {"eventID":"2"}]}`))
	c.files["/logs/lines"] = z.EncodeAll([]byte("one\r\n\ntwo"), nil)
	c.files["/logs/flow"] = []byte("version account-id srcaddr dstaddr\n2 1 192.0.2.1 192.0.2.2\n")
	c.files["/logs/watch"] = []byte(`{"messageType":"CONTROL_MESSAGE","logEvents":[{"message":"no"}]}{"messageType":"DATA_MESSAGE","owner":"1","logEvents":[{"id":"1","message":"watched"}]}`)
	c.files["/logs/AWSLogs/1/CloudTrail-Digest/x"] = []byte("digest")
	sns, _ := json.Marshal(map[string]string{"Type": "Notification", "Message": made("lines")})
	c.send(made("a+b.json.gz"))
	c.send(string(sns))
	c.send(`{"detail-type":"Object Created","source":"aws.s3","detail":{"bucket":{"name":"logs"},"object":{"key":"flow"}}}`)
	c.send(made("watch"))
	c.send(made("AWSLogs/1/CloudTrail-Digest/x"))
	c.send(`{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"logs"}`)
	stop := start(t, c, s, nil)
	defer stop()
	c.until(t, func() bool { return len(c.messages) == 0 })
	stop()
	want := []string{`{"eventID":"1"}`, `{"eventID":"2"}`, "one", "two", "version account-id srcaddr dstaddr\n2 1 192.0.2.1 192.0.2.2", "watched"}
	got := map[string]bool{}
	for _, raw := range s.seen {
		got[raw] = true
	}
	for _, w := range want {
		if !got[w] {
			t.Errorf("%q did not come", w)
		}
	}
	if len(s.seen) != len(want) {
		t.Errorf("%d records, want %d: %v", len(s.seen), len(want), got)
	}
}

// TestKilled ends the reader after every single Put, before the message is
// removed, and lets the next one go on: nothing is lost or doubled.
func TestKilled(t *testing.T) {
	c, s := newCloud(), &sink{seen: map[holdfast.EventID]string{}}
	var b bytes.Buffer
	for i := range 3500 {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	c.files["/logs/x"] = packed(b.Bytes())
	c.send(made("x"))
	c.refuse = 1
	for kill := 1; kill <= 4; kill++ {
		s.puts = 0
		killed := make(chan struct{})
		s.after = func(puts int) error {
			if puts == kill {
				close(killed)
				return context.Canceled // what a Put under way says when all ends
			}
			return nil
		}
		stop := start(t, c, s, nil)
		<-killed
		stop()
		if len(c.messages) != 1 {
			t.Fatalf("after kill %d the message is gone", kill)
		}
		c.expire()
	}
	s.after = nil
	stop := start(t, c, s, nil)
	defer stop()
	c.until(t, func() bool { return c.refuse == 0 }) // all was read, the removal failed
	c.expire()
	c.until(t, func() bool { return len(c.messages) == 0 })
	if len(s.seen) != 3500 {
		t.Errorf("%d records, want 3500", len(s.seen))
	}
}

// TestPoison leaves what cannot be read, says so, and goes on.
func TestPoison(t *testing.T) {
	c, s := newCloud(), &sink{seen: map[holdfast.EventID]string{}}
	c.files["/logs/cut"] = packed([]byte(`{"Records":[{"a":1},{"a":`))
	c.files["/logs/good"] = []byte("good\n")
	for _, m := range []string{"{", `{"a":1}`, made("missing"), made("cut")} {
		c.send(m)
	}
	notes := make(chan string, 100)
	stop := start(t, c, s, func(_, what string) { notes <- what })
	defer stop()
	for n := range notes {
		if strings.HasPrefix(n, "4 messages could not be read") {
			break
		}
	}
	c.send(made("good"))
	c.until(t, func() bool { return len(c.messages) == 4 && !func() bool { _, ok := c.messages["5"]; return ok }() })
	stop()
	var found bool
	for _, raw := range s.seen {
		found = found || raw == "good"
	}
	if !found {
		t.Error("what came after did not come")
	}
}

// TestHeld extends the time for which a message is hidden, while Put waits.
func TestHeld(t *testing.T) {
	c, s := newCloud(), &sink{seen: map[holdfast.EventID]string{}}
	c.files["/logs/x"] = []byte("x\n")
	s.after = func(int) error {
		c.until(t, func() bool { return c.longer > 0 })
		return nil
	}
	c.send(made("x"))
	stop := start(t, c, s, nil, "visibility", "3")
	defer stop()
	c.until(t, func() bool { return len(c.messages) == 0 })
}
