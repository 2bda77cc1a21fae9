package envelope

import (
	"bytes"
	"slices"
	"time"
)

// looksFluent knows a record of Fluent Bit by its time, which stands first, and by
// the text that it is about.
func looksFluent(raw []byte) bool {
	return bytes.HasPrefix(raw, []byte(`{"date":`)) &&
		(bytes.Contains(raw, []byte(`"log":"`)) || bytes.Contains(raw, []byte(`"message":"`)) || bytes.Contains(raw, []byte(`"MESSAGE":"`)))
}

// fluent opens a record of Fluent Bit: {"date", "log", …}. One whose text nobody
// knows is left to the parser of any JSON.
func (r *reader) fluent() (open, error) {
	in := open{
		time: when(r.get("date")), host: r.text("host.name", "hostname", "host", "_HOSTNAME"),
		line: r.line("log", "message", "MESSAGE"),
	}
	if in.time.Year() < 2000 { // a date written as a number
		in.time = time.Time{}
	}
	for _, f := range r.fields {
		if !slices.Contains([]string{"date", "log", "message", "MESSAGE"}, f.Name) {
			in.said = append(in.said, f)
		}
	}
	return in, nil
}
