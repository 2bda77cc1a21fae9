package hec

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
)

const (
	maxChannel = 128
	// maxAcks bounds the ids of one question.
	maxAcks = 100_000
	// An id is a number and a proof that it was given to this channel, together 53
	// bits, which every sender's numbers can hold.
	numberBits = 21
	proofBits  = 32
)

// acks gives ids of acknowledgements. An id is given only when its request is
// durable, so every id that was given is acknowledged, and nothing has to be
// remembered: an id proves by itself that it was given, after a restart and by
// any node that has the same key.
type acks struct {
	key  []byte
	next atomic.Uint64
}

// id makes the id of a number.
func (a *acks) id(token, channel string, number uint64) uint64 {
	number &= 1<<numberBits - 1
	m := hmac.New(sha256.New, a.key)
	var n [8]byte
	for _, s := range [...]string{token, channel} {
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		m.Write(n[:])
		m.Write([]byte(s))
	}
	binary.BigEndian.PutUint64(n[:], number)
	m.Write(n[:])
	proof := binary.BigEndian.Uint32(m.Sum(nil))
	return number<<proofBits | uint64(proof)
}

func (a *acks) issue(token, channel string) uint64 { return a.id(token, channel, a.next.Add(1)) }

func (a *acks) given(token, channel string, id uint64) bool {
	return id>>(numberBits+proofBits) == 0 && a.id(token, channel, id>>proofBits) == id
}

// ack answers which of the ids asked for are durable.
func (h *handler) ack(w http.ResponseWriter, body io.Reader, token, channel string) {
	if channel == "" {
		sayNoChannel.write(w, "")
		return
	}
	raw, err := io.ReadAll(io.LimitReader(body, 4<<20))
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
	var answer struct {
		Acks map[string]bool `json:"acks"`
	}
	answer.Acks = make(map[string]bool, len(asked.Acks))
	for _, id := range asked.Acks {
		answer.Acks[strconv.FormatUint(id, 10)] = h.acks.given(token, channel, id)
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_ = json.NewEncoder(w).Encode(answer)
}
