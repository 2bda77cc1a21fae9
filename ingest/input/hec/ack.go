package hec

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"sync"

	"holdfast"
)

const (
	maxChannel = 128
	// maxChannels bounds those that are remembered; which go is chance.
	maxChannels = 10_000
	// maxAcks bounds the ids of one question.
	maxAcks = 100_000
)

// acks remembers how many ids each channel of each token was given. An id is
// given only when its request is durable, so every id that was given is
// acknowledged. They are forgotten over a restart: then an id is not
// acknowledged, and the sender sends again.
type acks struct {
	mu sync.Mutex
	by map[string]*channel
}

type channel struct{ next uint64 }

func (a *acks) issue(token, name string) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := token + "/" + name
	c := a.by[at]
	if c == nil {
		for other := range a.by {
			if len(a.by) < maxChannels {
				break
			}
			delete(a.by, other)
		}
		c = &channel{}
		a.by[at] = c
	}
	c.next++
	return c.next - 1
}

func (a *acks) given(token, name string) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.by[token+"/"+name]; c != nil {
		return c.next
	}
	return 0
}

// ack answers which of the ids asked for are durable.
func (h *handler) ack(w http.ResponseWriter, body io.Reader, token, channel string) {
	if channel == "" {
		sayNoChannel.write(w, "")
		return
	}
	raw, err := io.ReadAll(io.LimitReader(body, 1<<20))
	var asked struct {
		Acks []uint64 `json:"acks"`
	}
	if err == nil {
		err = json.Unmarshal(raw, &asked)
	}
	if err != nil || len(asked.Acks) > maxAcks {
		sayBadFormat.write(w, "")
		return
	}
	next := h.acks.given(token, channel)
	b := []byte(`{"acks":{`)
	for i, id := range asked.Acks {
		if i > 0 {
			b = append(b, ',')
		}
		b = holdfast.AppendJSONString(b, strconv.FormatUint(id, 10))
		b = strconv.AppendBool(append(b, ':'), id < next)
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_, _ = w.Write(append(b, "}}"...))
}
