package api

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"holdfast"
	"holdfast/store/events"
)

// Truncated is the trailer of an exported answer that says whether there are more
// rows than were asked for; a Parquet file goes without it.
const Truncated = "Holdfast-Truncated"

// export writes the answer as a file. A fault before the first byte is a
// problem like any other; after it the connection breaks, so that nobody takes
// a part for the whole.
func (a *API) export(h huma.Context, c compiled, format string) {
	ctx, cancel := context.WithTimeout(h.Context(), exportTimeout)
	defer cancel()
	begun := false
	begin := func() {
		begun = true
		h.SetHeader("Content-Type", map[string]string{"parquet": "application/vnd.apache.parquet", "csv": "text/csv; charset=utf-8"}[format])
		if format == "ndjson" {
			h.SetHeader("Content-Type", "application/x-ndjson")
		}
		h.SetHeader("Content-Disposition", `attachment; filename="events.`+format+`"`)
		h.SetHeader("Cache-Control", "no-store")
		h.SetHeader("Trailer", Truncated)
	}
	truncated, err := a.exportTo(ctx, c, format, begin, h.BodyWriter())
	if err == nil {
		if truncated {
			h.SetHeader(Truncated, "true")
		}
		return
	}
	if begun {
		a.Log.Warn("an export broke off", "error", err)
		panic(http.ErrAbortHandler)
	}
	var p *Problem
	if !errors.As(problem(err), &p) {
		return
	}
	h.SetHeader("Content-Type", "application/problem+json")
	h.SetStatus(p.Status)
	if err := json.NewEncoder(h.BodyWriter()).Encode(p); err != nil {
		a.Log.Debug("a reader left", "error", err)
	}
}

func (a *API) exportTo(ctx context.Context, c compiled, format string, begin func(), w io.Writer) (truncated bool, err error) {
	c.whole = true
	switch format {
	case "parquet":
		s, ok := a.Events.(streaming)
		if !ok {
			return false, fmt.Errorf("this store writes no Parquet; take ndjson or csv: %w", holdfast.ErrInvalid)
		}
		return false, s.Parquet(ctx, c.statement(), writing{begin, w})
	case "csv":
		return a.exportCSV(ctx, c, begin, w)
	}
	var names [][]byte
	var line []byte
	return a.rows(ctx, c, func(cols []events.Column) error {
		begin()
		for _, col := range cols {
			names = append(names, append(holdfast.AppendJSONString(nil, col.Name), ':'))
		}
		return nil
	}, func(row []any) error {
		line = append(line[:0], '{')
		for i, v := range row {
			if i > 0 {
				line = append(line, ',')
			}
			b, err := json.Marshal(v)
			if err != nil {
				return err
			}
			line = append(append(line, names[i]...), b...)
		}
		_, err := w.Write(append(line, '}', '\n'))
		return err
	})
}

// writing calls begin before the first byte.
type writing struct {
	begin func()
	w     io.Writer
}

func (w writing) Write(p []byte) (int, error) {
	w.begin()
	return w.w.Write(p)
}

func (a *API) exportCSV(ctx context.Context, c compiled, begin func(), w io.Writer) (truncated bool, err error) {
	out := csv.NewWriter(w)
	truncated, err = a.rows(ctx, c, func(cols []events.Column) error {
		begin()
		names := make([]string, len(cols))
		for i, col := range cols {
			names[i] = col.Name
		}
		return out.Write(names)
	}, func(row []any) error {
		cells := make([]string, len(row))
		for i, v := range row {
			cells[i] = csvCell(v)
		}
		return out.Write(cells)
	})
	out.Flush()
	if err == nil {
		err = out.Error()
	}
	return truncated, err
}

// csvCell is a value as a cell. A text that a spreadsheet would take for a
// formula gets an apostrophe before it.
func csvCell(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		if v != "" && strings.ContainsRune("=+-@\t\r", rune(v[0])) {
			if _, err := strconv.ParseFloat(v, 64); err != nil {
				return "'" + v
			}
		}
		return v
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		b, err := json.Marshal(v)
		if err != nil {
			return fmt.Sprint(v)
		}
		return string(b)
	}
	return fmt.Sprint(v)
}

// CSVCell is a value of a streamed answer as a cell.
func CSVCell(raw json.RawMessage) string {
	if len(raw) > 0 && raw[0] != '"' {
		if string(raw) == "null" {
			return ""
		}
		return string(raw)
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return string(raw)
	}
	return csvCell(s)
}

// CSVText is a text as a cell.
func CSVText(s string) string { return csvCell(s) }
