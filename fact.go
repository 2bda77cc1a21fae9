package holdfast

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Row is one fact: columns to values. A value is a string, int64, float64,
// bool, []any of those, or nil.
type Row map[string]any

// Table is one kind of fact about one asset, as one collector saw it.
type Table struct {
	Name      string        `json:"name"` // "packages", "listeners", "sshd"
	Collected time.Time     `json:"collected"`
	Took      time.Duration `json:"took"`
	Rows      []Row         `json:"rows"`
	// Error says why the table could not be read (no right, no such program).
	// A check over such a table is unknown, never pass.
	Error string `json:"error,omitempty"`
	// Partial says that rows were left out (a size limit, a right that lacks).
	Partial string `json:"partial,omitempty"`
}

// Facts are all tables about one asset.
type Facts struct {
	Asset  string           `json:"asset"`
	Tables map[string]Table `json:"tables"`
}

// UnmarshalJSON reads a row, keeping whole numbers as int64.
func (r *Row) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		return fmt.Errorf("fact row: %w", err)
	}
	for k, v := range m {
		m[k] = plain(v)
	}
	*r = m
	return nil
}

func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return f
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}
