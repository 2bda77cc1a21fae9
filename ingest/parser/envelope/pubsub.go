package envelope

import (
	"bytes"
	"encoding/base64"
	"errors"

	"holdfast"
)

// looksPubSub knows a message of Pub/Sub, as it is pushed and as it is pulled, by
// its first key and its id.
func looksPubSub(raw []byte) bool {
	head := bytes.TrimLeft(raw[1:min(len(raw), 64)], " \t\r\n")
	for _, key := range [...]string{`"message"`, `"subscription"`, `"deliveryAttempt"`, `"ackId"`} {
		if bytes.HasPrefix(head, []byte(key)) {
			return bytes.Contains(raw, []byte(`"messageId"`)) || bytes.Contains(raw, []byte(`"message_id"`))
		}
	}
	return false
}

var errNoMessage = errors.New("the data of the message is no base64")

// pubsub opens a message: {"message": {"data", "attributes", "messageId",
// "publishTime"}, "subscription"}. Its data is the record, in base64.
func (r *reader) pubsub() (open, error) {
	in := open{dataset: "pubsub", time: when(r.get("message.publishTime", "message.publish_time"))}
	for _, x := range [...]struct {
		to   string
		from []string
	}{
		{"pubsub.subscription", []string{"subscription"}},
		{"pubsub.message_id", []string{"message.messageId", "message.message_id"}},
	} {
		if v := r.get(x.from...); v != "" {
			in.said = append(in.said, holdfast.Field{Name: x.to, Text: v})
		}
	}
	for _, f := range r.below("message.attributes.") {
		f.Name = "pubsub.attributes." + f.Name
		in.said = append(in.said, f)
	}
	in.fields = in.said
	data := r.text("message.data")
	if data == "" {
		return in, nil // attributes alone are a message too
	}
	line, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return in, errNoMessage
	}
	in.line = bytes.TrimSpace(line)
	in.fields = add([]holdfast.Field{{Name: "message", Text: string(line)}}, in.said)
	return in, nil
}
