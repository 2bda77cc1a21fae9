package http

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"regexp"

	"github.com/valyala/fastjson"

	"holdfast/ingest/input"
)

// push is the beginning of what Pub/Sub posts.
var push = regexp.MustCompile(`^\s*\{\s*"(?:message"\s*:\s*\{|subscription"|deliveryAttempt")`)

// pushed takes a message that Pub/Sub pushes: one record, whose place is the id
// of the message, as it comes again until it was answered in time. It returns the
// body from its beginning if it is something else.
func (t *taking) pushed(ctx context.Context, r *bufio.Reader) (rest io.Reader, err error) {
	if head, _ := r.Peek(128); !push.Match(head) {
		return r, nil
	}
	raw, err := io.ReadAll(io.LimitReader(r, input.MaxRecord+1))
	if err != nil {
		return nil, err
	}
	again := io.MultiReader(bytes.NewReader(raw), r)
	if len(raw) > input.MaxRecord {
		return again, nil
	}
	v, err := fastjson.ParseBytes(raw)
	if err != nil {
		return again, nil
	}
	id := string(v.GetStringBytes("message", "messageId"))
	if id == "" {
		id = string(v.GetStringBytes("message", "message_id"))
	}
	subscription := string(v.GetStringBytes("subscription"))
	if id == "" || len(id) > 200 || len(subscription) > 512 || !v.Exists("message", "data") && !v.Exists("message", "attributes") {
		return again, nil
	}
	raw = bytes.TrimSpace(raw)
	if v.Exists("deliveryAttempt") { // it is another one each time
		v.Del("deliveryAttempt")
		raw = v.MarshalTo(nil)
	}
	t.key, t.once = "pubsub:"+subscription+":"+id, false
	return nil, t.line(ctx, t.clock.Now(), 1, 0, raw, false)
}
