package file

import (
	"encoding/json"

	"holdfast/ingest/input"
)

// state is how far one file was read, as it is saved.
type state struct {
	ID      string `json:"id"` // device and inode, or what the system has for them
	Gen     int    `json:"gen"`
	Offset  int64  `json:"off"`
	Skip    bool   `json:"skip,omitempty"`
	Part    int    `json:"part,omitempty"` // the next piece of a long line
	Print   string `json:"print,omitempty"`
	Printed int64  `json:"printed,omitempty"`
}

func load(p input.Positions, key string) []state {
	text, ok := p.Load(key)
	if !ok || len(text) > 64<<10 {
		return nil
	}
	var out []state
	if json.Unmarshal([]byte(text), &out) != nil || len(out) > maxOld+1 {
		return nil // not ours, or damaged: begin anew
	}
	for _, s := range out {
		if s.Offset < 0 || s.Part < 0 || s.Printed < 0 || s.Printed > printBytes {
			return nil
		}
	}
	return out
}

func store(p input.Positions, key string, states []state) error {
	b, err := json.Marshal(states)
	if err != nil {
		return err
	}
	return p.Save(key, string(b))
}
