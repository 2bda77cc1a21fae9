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
	End     string `json:"end,omitempty"`  // print of the bytes before Offset
	Head    int64  `json:"head,omitempty"` // where the header in force begins
	Back    int64  `json:"back,omitempty"` // how far before Offset a line stands that is still needed
}

// valid reports whether a state that was read back can be one of ours.
func (s *state) valid() bool {
	return s.Offset >= 0 && s.Part >= 0 && s.Gen >= 0 && s.Printed >= 0 && s.Printed <= printBytes &&
		s.Head >= 0 && s.Head <= s.Offset && s.Back >= 0 && s.Back <= s.Offset
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
		if !s.valid() {
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
